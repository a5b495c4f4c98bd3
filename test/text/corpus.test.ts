import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { alignPieces, readDocuments, readTextChunks, type DocumentPiece } from "../../src/text/corpus.ts";
import { anyText, temporaryFolder } from "./helpers.ts";

const folder = await temporaryFolder();

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Pieces put together again. */
async function documents(pieces: AsyncIterable<DocumentPiece>): Promise<string[]> {
  const list: string[] = [];
  let open = "";
  for await (const piece of pieces) {
    open += piece.text;
    if (piece.last) list.push(open);
    if (piece.last) open = "";
  }
  expect(open).toBe("");
  return list;
}

describe("readTextChunks", () => {
  it("reads what is in the file, whatever the chunk size", async () => {
    await fc.assert(
      fc.asyncProperty(anyText, fc.integer({ min: 1, max: 20 }), async (text, chunkBytes) => {
        const path = await folder.write("any.txt", text);
        const chunks = await collect(readTextChunks(path, { chunkBytes }));
        expect(chunks.join("")).toBe(text);
        for (const chunk of chunks) expect(chunk).not.toMatch(/\p{Surrogate}/u);
      }),
      { numRuns: 100 },
    );
  });

  it("names the file and the offset of invalid UTF-8, whatever the chunk size", async () => {
    const cases: [number[], number][] = [
      [[0x61, 0xff, 0x62], 1],
      [[0x61, 0xc3], 1], // cut off at the end
      [[0xe4, 0xb8, 0xad, 0xe4, 0xb8], 3],
      [[0x61, 0x80, 0x80, 0x80, 0x80], 1],
      [[0xed, 0xa0, 0x80], 0], // a surrogate
      [[0xc0, 0x80], 0], // overlong
      [[0xf0, 0x9f, 0x91, 0x61], 0],
    ];
    for (const [bytes, offset] of cases) {
      const path = await folder.write("bad.txt", Uint8Array.from(bytes));
      for (const chunkBytes of [1, 2, 3, 100]) {
        const read = collect(readTextChunks(path, { chunkBytes }));
        await expect(read).rejects.toThrow(UserError);
        await expect(read).rejects.toThrow(`bad.txt: not valid UTF-8 at byte offset ${offset} `);
      }
    }
  });

  it("stops at an abort", async () => {
    const path = await folder.write("long.txt", "abcdef");
    const controller = new AbortController();
    const chunks = readTextChunks(path, { chunkBytes: 2, signal: controller.signal });
    await chunks.next();
    controller.abort();
    await expect(chunks.next()).rejects.toThrow(/abort/i);
  });
});

describe("readDocuments", () => {
  it("gives one document a file, none for an empty one", async () => {
    expect(await documents(readDocuments(await folder.write("one.txt", "a\n\nb\n"), undefined, { chunkBytes: 2 }))).toEqual(["a\n\nb\n"]);
    expect(await documents(readDocuments(await folder.write("none.txt", "")))).toEqual([]);
    expect(await documents(readDocuments(await folder.write("none.txt", ""), "--"))).toEqual([]);
  });

  it("equals split() at a separator, without the empty ones", async () => {
    const part = fc.constantFrom("a", "b", "-", "--", "---", "é", "\n", "👍");
    const text = fc.array(part, { maxLength: 30 }).map((parts) => parts.join(""));
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.constantFrom("-", "--", "\n", "👍", "ab"),
        fc.integer({ min: 1, max: 9 }),
        async (value, separator, chunkBytes) => {
          const path = await folder.write("split.txt", value);
          const expected = value.split(separator).filter((document) => document !== "");
          expect(await documents(readDocuments(path, separator, { chunkBytes }))).toEqual(expected);
          for await (const piece of readDocuments(path, separator, { chunkBytes }))
            expect(value.slice(piece.from, piece.from + piece.text.length)).toBe(piece.text);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses an empty separator", async () => {
    await expect(collect(readDocuments("x.txt", ""))).rejects.toThrow(/separator: ""/);
  });
});

describe("alignPieces", () => {
  async function* from(pieces: DocumentPiece[]): AsyncGenerator<DocumentPiece> {
    yield* pieces;
  }

  it("moves the cuts and keeps the documents", async () => {
    const pieces = [
      { text: "one tw", from: 0, last: false },
      { text: "o thr", from: 6, last: false },
      { text: "ee", from: 11, last: true },
      { text: "x", from: 20, last: true },
    ];
    expect(await collect(alignPieces(from(pieces), (text) => text.lastIndexOf(" "), "f"))).toEqual([
      { text: "one", from: 0, last: false },
      { text: " two", from: 3, last: false },
      { text: " three", from: 7, last: true },
      { text: "x", from: 20, last: true },
    ]);
  });

  it("waits until the text has doubled before it looks again", async () => {
    let looked = 0;
    const pieces = Array.from({ length: 64 }, (_, from) => ({ text: "a", from, last: false }));
    const all = await collect(alignPieces(from([...pieces, { text: "", from: 64, last: true }]), () => (looked++, 0), "f"));
    expect(all).toEqual([{ text: "a".repeat(64), from: 0, last: true }]);
    expect(looked).toBe(7); // at lengths 1, 2, 4, … 64
  });
});
