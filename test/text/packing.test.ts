import { readFile } from "node:fs/promises";
import { existsSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import { packFiles } from "../../src/text/packing.ts";
import { openTokens } from "../../src/text/source.ts";
import { fingerprint, type Tokenizer } from "../../src/text/tokenizer.ts";
import { anyText, story, storyTokenizer, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();
const out = `${folder.path}/packed.tokens`;
const plain = storyTokenizer();
const special = storyTokenizer(["<|endoftext|>"]);

async function pack(texts: string[], tokenizer: Tokenizer, options: { separator?: string; chunkBytes?: number } = {}) {
  const files: string[] = [];
  for (const [index, text] of texts.entries()) files.push(await folder.write(`${index}.txt`, text));
  const header = await packFiles({ files, tokenizer, out, ...options });
  const source = await openTokens(out);
  expect(source.header).toEqual(header);
  return { header, ids: Array.from(await source.window(0, source.count)) };
}

describe("packFiles", () => {
  it("gives the tokens of the whole text, whatever the chunk size", async () => {
    for (const tokenizer of [plain, special]) {
      await fc.assert(
        fc.asyncProperty(
          anyText.filter((text) => text !== ""),
          fc.integer({ min: 1, max: 60 }),
          async (text, chunkBytes) => {
            const { ids, header } = await pack([text], tokenizer, { chunkBytes });
            expect(ids).toEqual(Array.from(tokenizer.encode(text)));
            expect(header.characters).toBe([...text].length);
          },
        ),
        { numRuns: 100 },
      );
    }
  });

  it("puts one end-of-text between documents, none before, after or at line ends", async () => {
    const end = special.endOfText!;
    const [a, b] = ["Once upon a time\n\nthere was\n", "a king.\n"].map((text) => [...special.encode(text)]);
    const files = await pack(["Once upon a time\n\nthere was\n", "", "a king.\n"], special);
    expect(files.ids).toEqual([...a!, end, ...b!]);
    expect(files.header.documents).toBe(2);
    for (const chunkBytes of [1, 7, 1000]) {
      const separated = await pack(["===Once upon a time\n\nthere was\n======a king.\n"], special, { separator: "===", chunkBytes });
      expect(separated.ids).toEqual(files.ids);
    }
    const joined = await pack(["Once upon a time\n\nthere was\n", "a king.\n"], plain);
    expect(joined.ids).toEqual([...a!, ...b!]); // no such token: files follow one another
  });

  it("writes what its description says", async () => {
    const { header, ids } = await pack([story, "x"], plain);
    const bytes = await readFile(out);
    expect(bytes.readUInt16LE(0)).toBe(ids[0]);
    expect(bytes.subarray(-8).toString()).toBe("SEDDTOK1");
    const length = bytes.readUInt32LE(bytes.length - 12);
    expect(bytes.length).toBe(2 * ids.length + length + 12);
    expect(JSON.parse(bytes.subarray(-12 - length, -12).toString())).toEqual(header);
    expect(header).toMatchObject({
      type: "uint16",
      count: ids.length,
      documents: 2,
      vocabulary: plain.size,
      endOfText: null,
      tokenizer: await fingerprint(plain),
      sources: [
        { name: "0.txt", bytes: Buffer.byteLength(story) },
        { name: "1.txt", bytes: 1 },
      ],
    });
  });

  it("takes four bytes a token for a large vocabulary", async () => {
    const letters = Array.from({ length: 70_000 }, (_, index) => String.fromCodePoint(index < 0xd800 ? index : index + 0x800));
    const { header, ids } = await pack([letters[69_999]! + letters[5]!], characterTokenizer(characterFile(letters)));
    expect(header.type).toBe("uint32");
    expect(ids).toEqual([69_999, 5]);
  });

  it("reports progress up to the whole", async () => {
    const file = await folder.write("progress.txt", story);
    const seen: number[] = [];
    await packFiles({ files: [file], tokenizer: plain, out, chunkBytes: 50, onProgress: (done, total) => seen.push(done / total) });
    expect(seen.length).toBeGreaterThan(3);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
    expect(seen.at(-1)).toBe(1);
  });

  it("refuses an empty corpus, and writes nothing", async () => {
    const files = [await folder.write("empty.txt", ""), await folder.write("empty2.txt", "")];
    const target = `${folder.path}/nothing.tokens`;
    const packed = packFiles({ files, tokenizer: plain, out: target });
    await expect(packed).rejects.toThrow(UserError);
    await expect(packed).rejects.toThrow(/empty2\.txt: the corpus is empty/);
    await expect(packFiles({ files: [], tokenizer: plain, out: target })).rejects.toThrow(/files: none given/);
    expect(existsSync(target)).toBe(false);
  });

  it("names file and place of an unknown character and of invalid UTF-8, and keeps the old file", async () => {
    const before = (await pack([story], plain)).ids;
    const letters = characterTokenizer(characterFile([..."abc"]));
    const files = [await folder.write("good.txt", "abc"), await folder.write("letters.txt", "abcabcabcX")];
    const unknown = packFiles({ files, tokenizer: letters, out, chunkBytes: 2 });
    await expect(unknown).rejects.toThrow(/letters\.txt: character "X" \(U\+0058\) at position 9/);
    const bad = await folder.write("bad.txt", Uint8Array.of(0x61, 0x62, 0xff));
    await expect(packFiles({ files: [bad], tokenizer: plain, out })).rejects.toThrow(/bad\.txt: not valid UTF-8 at byte offset 2/);
    await expect(packFiles({ files: [bad, "no-such.txt"], tokenizer: plain, out })).rejects.toThrow(UserError);
    const source = await openTokens(out);
    expect(Array.from(await source.window(0, source.count))).toEqual(before);
  });

  it("refuses a separator that nothing could stand for", async () => {
    await expect(pack([story], plain, { separator: "\n" })).rejects.toThrow(
      /separator: "\\n" needs a tokenizer with an <\|endoftext\|> token/,
    );
  });
});
