import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { piecesOf, textOf } from "../../src/text/decoding.ts";
import { storyTokenizer } from "./helpers.ts";

const bytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
const MASK = 256;
const utf8 = (text: string): number[] => Array.from(new TextEncoder().encode(text));

describe("decoding", () => {
  it("never throws on any ids, and pieces concatenate to the text", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: MASK })), (ids) => {
        const pieces = piecesOf(bytes, ids);
        expect(pieces).toHaveLength(ids.length);
        expect(pieces.join("")).toBe(textOf(bytes, ids));
      }),
      { numRuns: 1000 },
    );
    const tokenizer = storyTokenizer();
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: tokenizer.size })), (ids) => {
        expect(tokenizer.pieces(Int32Array.from(ids)).join("")).toBe(tokenizer.decode(ids));
      }),
    );
  });

  it("keeps characters of several bytes together, at the last of their tokens", () => {
    expect(piecesOf(bytes, utf8("aé中👍"))).toEqual(["a", "", "é", "", "", "中", "", "", "", "👍"]);
  });

  it("shows broken bytes as U+FFFD and MASK as ▁, or as asked", () => {
    const [first, second] = utf8("é");
    expect(textOf(bytes, [first!, MASK, second!, 0x61])).toBe("\ufffd▁\ufffda");
    expect(piecesOf(bytes, [first!, MASK, second!, 0x61])).toEqual(["\ufffd", "▁", "\ufffd", "a"]);
    expect(textOf(bytes, [MASK, 0x61, MASK], { mask: "[_]" })).toBe("[_]a[_]");
    expect(piecesOf(bytes, [0x61, first!])).toEqual(["a", "\ufffd"]);
    expect(textOf(bytes, [])).toBe("");
  });

  it("keeps a byte order mark", () => {
    expect(textOf(bytes, utf8("\ufeffa\ufeff"))).toBe("\ufeffa\ufeff");
    expect(piecesOf(bytes, utf8("\ufeffa")).join("")).toBe("\ufeffa");
  });

  it("refuses ids that are no tokens", () => {
    for (const id of [-1, MASK + 1, 0.5, Number.NaN]) {
      expect(() => textOf(bytes, [id])).toThrow(RangeError);
      expect(() => piecesOf(bytes, [id])).toThrow(`token id ${id} is outside 0 … 256`);
    }
  });
});
