import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer, isCharacterTokenizer } from "../../src/text/character.ts";
import { anyText, storyTokenizer } from "./helpers.ts";

const alphabetOf = (text: string): string[] => [...new Set(text)];

describe("character tokenizer", () => {
  it("comes back from any text over its alphabet, one token a code point", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const tokenizer = characterTokenizer(characterFile(alphabetOf(text)));
        const ids = tokenizer.encode(text);
        expect(ids).toHaveLength([...text].length);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(tokenizer.pieces(ids)).toEqual([...text]);
      }),
      { numRuns: 300 },
    );
  });

  it("equals the Hugging Face library", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const tokenizer = characterTokenizer(characterFile(alphabetOf(text + "<|endoftext|>"), ["<|endoftext|>"]));
        const library = new Library(tokenizer.toJSON() as object, {});
        expect(Array.from(tokenizer.encode(text))).toEqual(library.encode(text).ids);
      }),
      { numRuns: 300 },
    );
  });

  it("names an unknown character, its code point and its place", () => {
    const tokenizer = characterTokenizer(characterFile([..."abc👍"]));
    expect(() => tokenizer.encode("ab👍é")).toThrow(UserError);
    expect(() => tokenizer.encode("ab👍é")).toThrow('character "é" (U+00E9) at position 4 is not in the alphabet of 4 characters');
    expect(() => tokenizer.encode("🙂")).toThrow("(U+1F642) at position 0");
    expect(() => tokenizer.encode("a\ud800")).toThrow(/surrogate pair \(U\+D800\) at position 1/);
  });

  it("cuts where the tokens do not change", () => {
    fc.assert(
      fc.property(anyText, anyText, (text, more) => {
        const tokenizer = characterTokenizer(characterFile(alphabetOf(text + more + "<|endoftext|>"), ["<|endoftext|>", "t|><|"]));
        const at = tokenizer.lastCut(text);
        const parts = [...tokenizer.encode(text.slice(0, at)), ...tokenizer.encode(text.slice(at) + more)];
        expect(parts).toEqual(Array.from(tokenizer.encode(text + more)));
      }),
      { numRuns: 500 },
    );
  });

  it("shows MASK, and has its special tokens last", () => {
    const tokenizer = characterTokenizer(characterFile(["a", "b"], ["<|endoftext|>"]));
    expect(tokenizer.size).toBe(3);
    expect(tokenizer.endOfText).toBe(2);
    expect(tokenizer.decode([0, 3, 1, 2])).toBe("a▁b<|endoftext|>");
    expect(tokenizer.pieceBytes(1)).toEqual(Uint8Array.of(0x62));
  });

  it("is told from a byte-level one", () => {
    expect(isCharacterTokenizer(characterFile(["a"]))).toBe(true);
    expect(isCharacterTokenizer(storyTokenizer().toJSON())).toBe(false);
    expect(isCharacterTokenizer(null)).toBe(false);
  });

  it("refuses files with longer tokens or missing ids", () => {
    expect(() => characterTokenizer(characterFile(["ab"]))).toThrow('token "ab" is not one character');
    const file = characterFile(["a"]) as { model: { vocab: Record<string, number> } };
    file.model.vocab["b"] = 2;
    expect(() => characterTokenizer(file)).toThrow("no character has id 1");
  });
});
