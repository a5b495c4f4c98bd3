import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { alphabet, lastWordEnd, spell, unspell, wordPattern } from "../../src/text/byte-alphabet.ts";
import { anyText } from "./helpers.ts";

const words = (text: string): string[] => Array.from(text.matchAll(wordPattern()), ([word]) => word);

describe("byte alphabet", () => {
  it("is GPT-2's", () => {
    expect(new Set(alphabet).size).toBe(256);
    expect(alphabet.slice(0, 3).join("")).toBe('!"#'); // ids 0, 1, 2 of GPT-2
    expect(alphabet.at(-1)).toBe("Ń"); // id 255 of GPT-2, byte 0xAD
    expect(spell(new TextEncoder().encode(" \n\tA\0é"))).toBe("ĠĊĉAĀÃ©");
  });

  it("spells every byte and back", () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(unspell(spell(bytes))).toEqual(bytes);
      }),
    );
    expect(unspell("a b")).toBeUndefined();
  });
});

describe("words", () => {
  it("are cut as GPT-2 cuts them", () => {
    expect(words("Hello  there, it's 3pm!!\n\n ok ")).toEqual([
      "Hello",
      " ",
      " there",
      ",",
      " it",
      "'s",
      " 3",
      "pm",
      "!!",
      "\n\n",
      " ok",
      " ",
    ]);
    expect(words("I'LL we'll")).toEqual(["I", "'", "LL", " we", "'ll"]);
  });

  it("have Unicode's white space: U+0085 is, U+FEFF is not", () => {
    expect(words("a\u0085\u0085b")).toEqual(["a", "\u0085", "\u0085", "b"]);
    expect(words("a \ufeff\ufeffb")).toEqual(["a", " \ufeff\ufeff", "b"]);
  });

  it("concatenate to the text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        expect(words(text).join("")).toBe(text);
      }),
    );
  });

  it("do not change where lastWordEnd cuts, whatever follows", () => {
    fc.assert(
      fc.property(anyText, anyText, (text, more) => {
        const at = lastWordEnd(text);
        expect([...words(text.slice(0, at)), ...words(text.slice(at) + more)]).toEqual(words(text + more));
      }),
      { numRuns: 1000 },
    );
  });

  it("end in ordinary prose, also far back", () => {
    expect(lastWordEnd("a king")).toBe(1);
    expect(lastWordEnd("kings")).toBe(0);
    expect(lastWordEnd("a " + "b".repeat(100_000))).toBe(1);
    expect(lastWordEnd("a b c d", 4)).toBe(3);
  });
});
