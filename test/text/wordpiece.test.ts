/** BERT's WordPiece: the original's own example, and what a tokenizer of this house must do. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { parseTokenizer } from "../../src/text/tokenizer.ts";
import { wordPieceFromVocabulary } from "../../src/text/wordpiece.ts";
import { anyText } from "./helpers.ts";

/** The vocabulary and the text of google-research/bert, tokenization_test.py. */
const example = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ","];
const of = (tokens: readonly string[], lowercase = true) => parseTokenizer(wordPieceFromVocabulary(tokens.join("\n") + "\n", lowercase));
const tokenizer = of([...example, "[MASK]", "文", "Un"]);

describe("WordPiece", () => {
  it("gives the original's tokens: longest pieces first, lower case, no accents, punctuation apart", () => {
    expect(Array.from(of(example).encode("UNwant\u00e9d,running"))).toEqual([7, 4, 5, 10, 8, 9]);
    expect(tokenizer.kind).toBe("wordpiece");
    expect(tokenizer.size).toBe(14);
    expect(tokenizer.endOfText).toBeUndefined();
  });

  it("knows words that it cannot spell as [UNK], CJK characters as words, and the special tokens where a text spells them", () => {
    expect(Array.from(tokenizer.encode("want xyz unx"))).toEqual([3, 0, 0]);
    expect(Array.from(tokenizer.encode("un文want"))).toEqual([7, 12, 3]);
    expect(Array.from(tokenizer.encode("[CLS] want [MASK]ing, un [SEP]"))).toEqual([1, 3, 11, 0, 10, 7, 2]);
    expect(tokenizer.encode("")).toHaveLength(0);
  });

  it("keeps case where the vocabulary has it", () => {
    expect(Array.from(of([...example, "Un"], false).encode("Unwant unwant Want"))).toEqual([11, 4, 7, 4, 0]);
  });

  it("shows words with single spaces; pieces concatenate to the text; MASK is one above the last token", () => {
    const ids = [...tokenizer.encode("  unwanted,\n runn\u00efng"), tokenizer.size, 9];
    expect(tokenizer.decode(ids)).toBe("unwanted , running▁ing");
    expect(tokenizer.pieces(ids)).toEqual(["un", "want", "ed", " ,", " runn", "ing", "▁", "ing"]);
    expect(tokenizer.decode([9, 3], { mask: "?" })).toBe("ing want");
    expect(new TextDecoder().decode(tokenizer.pieceBytes(4))).toBe("want");
    expect(tokenizer.pieceBytes(tokenizer.size)).toHaveLength(0);
    expect(() => tokenizer.decode([15])).toThrow(RangeError);
  });

  it("takes any Unicode text, and decoding what it gave loses no token more", () => {
    const known = anyText.map((text) => `${text} unwanted ${text}want`);
    fc.assert(
      fc.property(known, (text) => {
        const ids = Array.from(tokenizer.encode(text));
        expect(Math.max(...ids)).toBeLessThan(tokenizer.size);
        const words = tokenizer.decode(ids);
        expect(tokenizer.pieces(ids).join("")).toBe(words);
        expect(Array.from(tokenizer.encode(words))).toEqual(ids);
      }),
      { numRuns: 300 },
    );
    expect(() => tokenizer.encode("ab\ud83d")).toThrow(UserError);
  });

  it("refuses a vocabulary without the token for unknown words", () => {
    expect(() => of(["a", "b"])).toThrow(new UserError('tokenizer.json: the vocabulary lacks "[UNK]", the token for unknown words'));
  });
});
