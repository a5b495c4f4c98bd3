import { describe, expect, it, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { parseTokenizer } from "../../src/text/tokenizer.ts";
import { trainTokenizer, type TrainTokenizerOptions } from "../../src/text/train-tokenizer.ts";
import { story, storyTokenizer, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();
const file = await folder.write("story.txt", story.repeat(3));

describe("trainTokenizer, bpe", () => {
  it("trains on words of the files, whatever the chunk size", async () => {
    for (const chunkBytes of [1, 10, 1 << 20]) {
      const tokenizer = await trainTokenizer({ files: [file], kind: "bpe", size: 320, chunkBytes });
      expect(tokenizer.size).toBe(320);
      expect(tokenizer.toJSON()).toEqual(storyTokenizer().toJSON());
    }
  });

  it("writes a standard file that loads again, special tokens last", async () => {
    const tokenizer = await trainTokenizer({ files: [file], kind: "bpe", size: 300, special: ["<|endoftext|>"] });
    const again = parseTokenizer(JSON.parse(JSON.stringify(tokenizer.toJSON())));
    expect(again.size).toBe(300);
    expect(again.endOfText).toBe(299);
    expect(again.encode(story)).toEqual(tokenizer.encode(story));
  });

  it("makes no tokens of separators and special tokens, of either kind", async () => {
    const lines = Array.from({ length: 200 }, (_, i) => `the cat no. ${i} sat.`);
    const write = (end: string) => folder.write("ended.txt", lines.join(end));
    for (const kind of ["bpe", "character"] as const) {
      const size = kind === "bpe" ? 280 : 100;
      const bare = await trainTokenizer({ files: [await write("<|endoftext|>")], kind, size, special: ["<|endoftext|>"], chunkBytes: 50 });
      const cut = await trainTokenizer({
        files: [await write("@@@")],
        kind,
        size,
        special: ["<|endoftext|>"],
        separator: "@@@",
        chunkBytes: 50,
      });
      expect(cut.toJSON()).toEqual(bare.toJSON());
      const tokens = Object.keys((bare.toJSON() as { model: { vocab: object } }).model.vocab).filter(
        (token) => token.length > 1 || kind === "character",
      );
      expect(tokens.filter((token) => /[<|>@]|endo/.test(token) && token !== "<|endoftext|>")).toEqual([]);
    }
  });

  it("stops at an abort, while it merges too", async () => {
    const words = Array.from({ length: 40_000 }, (_, i) => `w${(i * 7919) % 40_009}x${i}`).join(" ");
    const many = await folder.write("many.txt", words);
    const controller = new AbortController();
    const trained = trainTokenizer({ files: [many], kind: "bpe", size: 60_000, minimumCount: 1, signal: controller.signal });
    setTimeout(() => controller.abort(), 100);
    await expect(trained).rejects.toThrow(/abort/i);
  });

  it("gives fewer tokens where the text has no more", async () => {
    const small = await folder.write("small.txt", "ab ab");
    const tokenizer = await trainTokenizer({ files: [small], kind: "bpe", size: 1000 });
    expect(tokenizer.size).toBe(257);
    expect(tokenizer.decode(tokenizer.encode(story))).toBe(story);
  });
});

describe("trainTokenizer, character", () => {
  it("has the characters of the text in the order of their code points", async () => {
    const one = await folder.write("one.txt", "ba👍");
    const two = await folder.write("two.txt", "é\nb");
    const tokenizer = await trainTokenizer({ files: [one, two], kind: "character", special: ["<|endoftext|>"], chunkBytes: 1 });
    expect(tokenizer.kind).toBe("character");
    expect(tokenizer.decode([0, 1, 2, 3, 4, 5])).toBe("\nabé👍<|endoftext|>");
    const again = parseTokenizer(JSON.parse(JSON.stringify(tokenizer.toJSON())));
    expect(again.kind).toBe("character");
    expect(again.encode("é👍")).toEqual(Int32Array.of(3, 4));
  });
});

test.each(["bpe", "character"] as const)("%s: tells how much of the texts is read", async (kind) => {
  const seen: number[] = [];
  await trainTokenizer({ files: [file, file], kind, size: 300, chunkBytes: 50, onProgress: (done, total) => seen.push(done / total) });
  expect(seen.length).toBeGreaterThan(3);
  expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  expect(seen.at(-1)).toBe(1);
});

describe("trainTokenizer refuses", () => {
  it("what cannot be, with the reason", async () => {
    const empty = await folder.write("empty.txt", "");
    const bad = await folder.write("bad.txt", Uint8Array.of(0x61, 0xff));
    const cases: [TrainTokenizerOptions, RegExp][] = [
      [{ files: [], kind: "bpe", size: 300 }, /files: none given/],
      [{ files: [empty], kind: "bpe", size: 300 }, /empty\.txt: the corpus is empty/],
      [{ files: [empty], kind: "character" }, /empty\.txt: the corpus is empty/],
      [{ files: [bad], kind: "bpe", size: 300 }, /bad\.txt: not valid UTF-8 at byte offset 1/],
      [{ files: [file], kind: "bpe" }, /size: none given, but byte-level BPE needs one, an integer from 256/],
      [{ files: [file], kind: "bpe", size: 256, special: ["<|endoftext|>"] }, /size: 256 .* from 257/],
      [{ files: [file], kind: "character", size: 10 }, /size: 10 is too small; the text has \d+ different characters/],
      [{ files: [file], kind: "bpe", size: 300, special: ["x", "x"] }, /special/],
    ];
    for (const [options, reason] of cases) {
      const trained = trainTokenizer(options);
      await expect(trained).rejects.toThrow(UserError);
      await expect(trained).rejects.toThrow(reason);
    }
  });
});
