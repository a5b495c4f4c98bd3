import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { bpeTokenizer } from "../../src/text/bpe.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import golden from "./golden.json" with { type: "json" };
import { anyText, story, storyTokenizer } from "./helpers.ts";

const plain = storyTokenizer();
const special = storyTokenizer(["<|endoftext|>", "<|end"]);

describe("byte-level BPE", () => {
  it("comes back from any Unicode text", () => {
    for (const tokenizer of [plain, special]) {
      fc.assert(
        fc.property(anyText, (text) => {
          expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        }),
        { numRuns: 500 },
      );
    }
  });

  it("equals the Hugging Face library", () => {
    // The library takes JavaScript's white space, the reference implementations Unicode's; they part at these two code points alone.
    const text = anyText.map((value) => value.replace(/[\u0085\ufeff]/g, ""));
    for (const tokenizer of [plain, special]) {
      const library = new Library(tokenizer.toJSON() as object, {});
      fc.assert(
        fc.property(text, (value) => {
          expect(Array.from(tokenizer.encode(value))).toEqual(library.encode(value).ids);
        }),
        { numRuns: 500 },
      );
    }
  });

  it("equals the reference implementation in Rust, with the shipped tokenizer", async () => {
    // golden.json: [text, ids] by `tokenizers` 0.23.3, Tokenizer.from_file("models/fairytales/tokenizer.json").encode(text).ids
    const tokenizer = await loadTokenizer("models/fairytales/tokenizer.json");
    expect(tokenizer.size).toBe(2048);
    for (const [text, ids] of golden as [string, number[]][]) {
      expect(Array.from(tokenizer.encode(text))).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });

  it("cuts where the tokens do not change", () => {
    for (const tokenizer of [plain, special]) {
      fc.assert(
        fc.property(anyText, anyText, (text, more) => {
          const at = tokenizer.lastCut(text);
          const parts = [...tokenizer.encode(text.slice(0, at)), ...tokenizer.encode(text.slice(at) + more)];
          expect(parts).toEqual(Array.from(tokenizer.encode(text + more)));
        }),
        { numRuns: 1000 },
      );
    }
    expect(plain.lastCut(story)).toBeGreaterThan(story.length - 10);
  });

  it("finds special tokens, the longest first, and gives them the last ids", () => {
    expect(special.size).toBe(plain.size + 2);
    expect(special.endOfText).toBe(plain.size);
    expect(plain.endOfText).toBeUndefined();
    const [end, half] = [plain.size, plain.size + 1];
    expect(Array.from(special.encode("a<|endoftext|><|endx"))).toEqual([...plain.encode("a"), end, half, ...plain.encode("x")]);
    expect(special.decode([end, half])).toBe("<|endoftext|><|end");
  });

  it("refuses half of a surrogate pair, and names its place", () => {
    expect(() => plain.encode("ab\ud83d")).toThrow(UserError);
    expect(() => plain.encode("ab\ud83dc")).toThrow(/U\+D83D\) at position 2/);
    expect(() => plain.encode("\udc00")).toThrow(/U\+DC00\) at position 0/);
  });

  it("gives the same for words cached and not", () => {
    const fresh = storyTokenizer();
    const first = fresh.encode(story);
    expect(fresh.encode(story)).toEqual(first);
    expect(fresh.encode("a".repeat(1000))).toEqual(fresh.encode("a".repeat(1000)));
  });

  it("gives out copies of its bytes", () => {
    plain.pieceBytes(0)[0] = 0;
    expect(plain.pieceBytes(0)).toEqual(Uint8Array.of(0x21));
    expect(plain.pieceBytes(plain.size)).toEqual(new Uint8Array(0));
    expect(() => plain.pieceBytes(plain.size + 1)).toThrow(RangeError);
  });
});

describe("foreign files", () => {
  const file = plain.toJSON() as { model: { vocab: Record<string, number>; merges: [string, string][] } };

  it("may look like GPT-2's: merges as strings, a model without a type, an end-of-text among the vocabulary", () => {
    const gpt2 = {
      version: "1.0",
      truncation: null,
      padding: null,
      added_tokens: [
        { id: plain.size, special: true, content: "<|endoftext|>", single_word: false, lstrip: false, rstrip: false, normalized: true },
      ],
      normalizer: null,
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true },
      post_processor: { type: "ByteLevel", add_prefix_space: true, trim_offsets: false },
      decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true },
      model: {
        dropout: null,
        unk_token: null,
        continuing_subword_prefix: "",
        end_of_word_suffix: "",
        fuse_unk: false,
        vocab: { ...file.model.vocab, "<|endoftext|>": plain.size },
        merges: file.model.merges.map((merge) => merge.join(" ")),
      },
    };
    const tokenizer = bpeTokenizer(gpt2);
    expect(tokenizer.size).toBe(plain.size + 1);
    expect(tokenizer.endOfText).toBe(plain.size);
    expect(tokenizer.encode(story)).toEqual(plain.encode(story));
    expect(tokenizer.toJSON()).toBe(gpt2);
  });

  it("with another pre-tokenizer go through the library", () => {
    const spaced = bpeTokenizer({ ...file, pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } });
    expect(spaced.decode(spaced.encode("king"))).toBe(" king");
    const split = bpeTokenizer({
      ...file,
      pre_tokenizer: {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: "\\p{N}|\\P{N}+" }, behavior: "Isolated", invert: false },
          { type: "ByteLevel", add_prefix_space: false, use_regex: false },
        ],
      },
    });
    expect(split.decode(split.encode(story))).toBe(story);
    expect(split.lastCut(story)).toBe(0);
  });

  it("that are broken or of another kind are refused with the reason", () => {
    const without = structuredClone(file);
    delete without.model.vocab["Ġ"];
    // Vocabulary and merges of two models: the library would drop the words that it lacks.
    const withoutMade = structuredClone(file);
    const [made] = Object.keys(file.model.vocab).filter((token) => token.length === 2);
    delete withoutMade.model.vocab[made!];
    const wrong: [unknown, RegExp][] = [
      [null, /not a tokenizer\.json/],
      [{}, /not a tokenizer\.json: model/],
      [{ model: { type: "WordPiece", vocab: {} } }, /model type "WordPiece" is not supported/],
      [without, /lacks byte 0x20/],
      [{ ...file, model: { ...file.model, vocab: { ...file.model.vocab, x: -1 } } }, /model\.vocab/],
      [{ ...file, model: { ...file.model, vocab: { ...file.model.vocab, x: 2 ** 31 } } }, /model\.vocab/],
      [withoutMade, /the merge of "." and "." makes "..", which the vocabulary lacks/],
      [{ ...file, model: { ...file.model, end_of_word_suffix: "</w>" } }, /end_of_word_suffix: "<\/w>" is not supported/],
      [{ ...file, pre_tokenizer: { type: "Nonsense" } }, /library does not accept/],
    ];
    for (const [json, reason] of wrong) {
      expect(() => bpeTokenizer(json)).toThrow(UserError);
      expect(() => bpeTokenizer(json)).toThrow(reason);
    }
  });

  it("may have a token called __proto__", () => {
    const json = JSON.parse(JSON.stringify(file).replace('"vocab":{', `"vocab":{"__proto__":${plain.size},`));
    const tokenizer = bpeTokenizer(json);
    expect(tokenizer.size).toBe(plain.size + 1);
    expect(tokenizer.decode([plain.size])).toBe("__proto__");
  });
});
