/**
 * BERT's WordPiece (Devlin et al. 2018), the applying half, through @huggingface/tokenizers. It loses something of a text: white space, often case
 * and accents, and words that it cannot spell, which become `[UNK]`. So `decode` gives words with single spaces, not the text.
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { bytesFor, piecesOf } from "./decoding.ts";
import { emptyFile, requireWellFormed, specialToken, wordPieceFile } from "./format.ts";
import type { DecodeOptions, Tokenizer } from "./interface.ts";

/** Whether a tokenizer.json is one of WordPiece. */
export const isWordPiece = (json: unknown): boolean => (json as { model?: { type?: unknown } } | null)?.model?.type === "WordPiece";

/** From the contents of a tokenizer.json whose model is WordPiece. `[CLS]`, `[SEP]` and `[MASK]` are tokens of the text where it spells them. */
export function wordPieceTokenizer(json: unknown): Tokenizer {
  const file = wordPieceFile(json);
  const library = new Library(file, {});
  const encoder = new TextEncoder();
  const prefix = file.model.continuing_subword_prefix;
  const tokens = [...Object.entries(file.model.vocab), ...file.added_tokens.map(({ content, id }) => [content, id] as const)];
  const size = tokens.reduce((top, [, id]) => Math.max(top, id + 1), 0);
  /** A token's own bytes, and those with the space that goes before a word; ids that a file leaves out have none. */
  const own = Array.from({ length: size }, () => new Uint8Array(0));
  const spaced = [...own];
  for (const [token, id] of tokens) {
    const continues = token.startsWith(prefix) && token.length > prefix.length;
    own[id] = encoder.encode(continues ? token.slice(prefix.length) : token);
    spaced[id] = continues ? own[id] : encoder.encode(` ${token}`);
  }
  const pieces = (ids: Int32Array | readonly number[], options?: DecodeOptions): string[] => {
    const list = piecesOf(spaced, ids, options);
    const first = list.findIndex((piece) => piece !== "");
    return list.map((piece, i) => (i === first ? piece.replace(/^ /, "") : piece));
  };
  return {
    kind: "wordpiece",
    size,
    endOfText: undefined,
    encode(text) {
      requireWellFormed(text);
      return Int32Array.from(library.encode(text, { add_special_tokens: false }).ids);
    },
    decode: (ids, options) => pieces(ids, options).join(""),
    pieces,
    pieceBytes: (id) => (id === size ? new Uint8Array(0) : bytesFor(own, id).slice()),
    lastCut: () => 0,
    toJSON: () => json,
  };
}

/** The tokenizer.json of a vocab.txt: a token a line, its id the line's number from 0. */
export function wordPieceFromVocabulary(vocabulary: string, lowercase: boolean): unknown {
  const tokens = vocabulary.replace(/\r?\n$/, "").split(/\r?\n/);
  const ids = new Map(tokens.map((token, id) => [token, id]));
  return {
    ...emptyFile,
    added_tokens: ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].flatMap((token) =>
      ids.has(token) ? [specialToken(token, ids.get(token)!)] : [],
    ),
    normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, strip_accents: null, lowercase },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(ids),
    },
  };
}
