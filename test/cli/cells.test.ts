import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cellsOf, clip, printable, widthOf, wrap } from "../../src/cli/cells.ts";

const lines = (text: string, width: number): string[] =>
  wrap(cellsOf([text], ["plain"]), width).map((line) => line.map((cell) => cell.text).join(""));

describe("widthOf", () => {
  test.each([
    ["a", 1],
    ["é", 1],
    ["e\u0301", 1], // e + combining acute
    ["\u0301", 0],
    ["\u200b", 0],
    ["▁", 1],
    ["漢", 2],
    ["ｱ", 1], // halfwidth katakana
    ["한", 2],
    ["，", 2],
    ["🐉", 2],
    ["👩‍🚀", 2],
    ["❤\ufe0f", 2],
    ["\ufffd", 1],
  ])("%j takes %i columns", (grapheme, width) => expect(widthOf(grapheme)).toBe(width));
});

describe("wrap", () => {
  test("breaks after spaces, which the edge swallows", () => {
    expect(lines("the old king slept", 8)).toEqual(["the old ", "king ", "slept"]);
    expect(lines("the kings slept", 9)).toEqual(["the kings", "slept"]);
  });

  test("breaks words that are longer than a line", () => expect(lines("abcdefgh ij", 3)).toEqual(["abc", "def", "gh ", "ij"]));

  test("keeps line ends and empty lines", () => expect(lines("a\n\nb\r\nc\n", 10)).toEqual(["a", "", "b", "c", ""]));

  test("wide characters do not cross the edge", () => expect(lines("漢字漢字", 5)).toEqual(["漢字", "漢字"]));

  test("combining marks stay with their letters", () => expect(lines("e\u0301e\u0301e\u0301", 2)).toEqual(["e\u0301e\u0301", "e\u0301"]));

  test("no line is wider than the terminal, and nothing but spaces at the edges is lost (any text)", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), fc.integer({ min: 4, max: 20 }), (text, width) => {
        const wrapped = wrap(cellsOf([text], ["plain"]), width);
        for (const line of wrapped) expect(line.reduce((sum, cell) => sum + cell.width, 0)).toBeLessThanOrEqual(width);
        const shown = wrapped.flat().map((cell) => cell.text);
        const all = cellsOf([text], ["plain"]).map((cell) => cell.text);
        expect(shown.filter((cell) => cell.trim() !== "")).toEqual(all.filter((cell) => cell.trim() !== ""));
      }),
      { numRuns: 200 },
    );
  });
});

describe("cellsOf", () => {
  test("a grapheme over two pieces takes the style that stands out", () => {
    expect(cellsOf(["e", "\u0301x"], ["plain", "new"])).toEqual([
      { text: "e\u0301", width: 1, style: "new" },
      { text: "x", width: 1, style: "new" },
    ]);
  });

  test("an empty piece takes no place", () =>
    expect(cellsOf(["", "a"], ["new", "plain"])).toEqual([{ text: "a", width: 1, style: "plain" }]));
});

test("printable replaces what a terminal would obey", () =>
  expect(printable("a\x1b[31m\tb\n\r\x07\x9b")).toBe("a\ufffd[31m\tb\n\ufffd\ufffd\ufffd"));

test("clip keeps to the width", () => {
  expect(clip("abc\ndef", 5)).toBe("abc d");
  expect(clip("漢字", 3)).toBe("漢");
  expect(clip("", 3)).toBe("");
});
