/** Tokenizers of model folders, in the files that GPT-2 and BERT were first published with. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { loadFolderTokenizer } from "../../src/text/folder.ts";
import { story, storyTokenizer, temporaryFolder } from "./helpers.ts";

const { path } = await temporaryFolder();
const folderOf = async (name: string, files: Record<string, string>): Promise<string> => {
  await mkdir(join(path, name));
  for (const [file, text] of Object.entries(files)) await writeFile(join(path, name, file), text);
  return join(path, name);
};
const json = storyTokenizer(["<|endoftext|>"]).toJSON() as {
  model: { vocab: Record<string, number>; merges: [string, string][] };
};
const vocabulary = JSON.stringify({ ...json.model.vocab, "<|endoftext|>": 320 });
const merges = json.model.merges.map((pair) => pair.join(" ")).join("\n");

describe("loadFolderTokenizer", () => {
  it("finds tokenizer.json first", async () => {
    const folder = await folderOf("both", { "tokenizer.json": JSON.stringify(json), "vocab.txt": "[UNK]\n" });
    expect((await loadFolderTokenizer(folder))!.toJSON()).toEqual(json);
    expect(await loadFolderTokenizer(await folderOf("none", {}))).toBeUndefined();
  });

  it("makes the same tokenizer of GPT-2's vocab.json and merges.txt", async () => {
    const text = `${story}<|endoftext|>${story}`;
    for (const [name, lines] of [
      ["plain", `#version: 0.2\n${merges}\n`],
      ["windows", `${merges.replaceAll("\n", "\r\n")}`],
    ] as const) {
      const tokenizer = (await loadFolderTokenizer(await folderOf(name, { "vocab.json": vocabulary, "merges.txt": lines })))!;
      const own = storyTokenizer(["<|endoftext|>"]);
      expect([tokenizer.kind, tokenizer.size, tokenizer.endOfText]).toEqual(["bpe", 321, 320]);
      expect(tokenizer.encode(text)).toEqual(own.encode(text));
      expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    }
  });

  it("reads BERT's vocab.txt, in lower case unless tokenizer_config.json says otherwise", async () => {
    const files = { "vocab.txt": "[PAD]\n[UNK]\nthe\nThe\n##re\n" };
    const uncased = (await loadFolderTokenizer(await folderOf("uncased", files)))!;
    const cased = (await loadFolderTokenizer(await folderOf("cased", { ...files, "tokenizer_config.json": '{"do_lower_case": false}' })))!;
    expect([uncased.kind, uncased.size]).toEqual(["wordpiece", 5]);
    expect([...uncased.encode("The There")]).toEqual([2, 2, 4]);
    expect([...cased.encode("The There the")]).toEqual([3, 3, 4, 2]);
  });

  it("passes over a byte order mark at the beginning of each file", async () => {
    const mark = "\ufeff";
    const words = (await loadFolderTokenizer(await folderOf("marked words", { "vocab.txt": `${mark}[UNK]\nthe\n##re\n` })))!;
    expect([...words.encode("the there so")]).toEqual([1, 1, 2, 0]);
    expect(words.decode([0])).toBe("[UNK]");
    const pairs = { "vocab.json": mark + vocabulary, "merges.txt": `${mark}#version: 0.2\n${merges}` };
    const bytes = (await loadFolderTokenizer(await folderOf("marked pairs", pairs)))!;
    expect(bytes.encode(story)).toEqual(storyTokenizer(["<|endoftext|>"]).encode(story));
  });

  it("names the folder, the file and what is wrong with it", async () => {
    const cases: [Record<string, string>, RegExp][] = [
      [{ "vocab.json": "{", "merges.txt": "" }, /vocab\.json is not valid JSON/],
      [{ "vocab.json": "[]", "merges.txt": "" }, /bad1: the vocabulary lacks byte 0x00/],
      [{ "vocab.json": vocabulary, "merges.txt": "a b c\n" }, /bad2.merges\.txt: "a b c" is no pair of tokens with a space between/],
      [{ "vocab.txt": "a\nb\n" }, /bad3: the vocabulary lacks "\[UNK\]"/],
    ];
    for (const [i, [files, reason]] of cases.entries()) {
      const folder = await folderOf(`bad${i}`, files);
      await expect(loadFolderTokenizer(folder)).rejects.toThrow(UserError);
      await expect(loadFolderTokenizer(folder)).rejects.toThrow(reason);
    }
  });
});
