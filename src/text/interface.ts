/**
 * What the rest of the house knows of a tokenizer. MASK is a state of absorbing diffusion, not a token: its id is the vocabulary size, one above
 * the last token, and only displays meet it.
 */

/** How the token that stands between documents is spelled, in vocabularies that have one. */
export const END_OF_TEXT = "<|endoftext|>";

export interface Tokenizer {
  readonly kind: "bpe" | "character" | "wordpiece";
  /** Vocabulary size V; ids are 0 … V−1, and V itself stands for MASK in displays. */
  readonly size: number;
  /** The end-of-text token `<|endoftext|>`, where the vocabulary has one. */
  readonly endOfText: number | undefined;
  /** Text to ids; never adds a token of its own. UserError for a text that it cannot spell (a lone surrogate, an unknown character). */
  encode(text: string): Int32Array;
  /**
   * Ids to text, the inverse of `encode`. Bytes that are not UTF-8, which happens half-way through a diffusion, show as U+FFFD; MASK shows as
   * "▁". RangeError for ids outside 0 … V.
   */
  decode(ids: Int32Array | readonly number[], options?: DecodeOptions): string;
  /** The text of each id, for displays: a character spread over several tokens stands at the last of them. They concatenate to `decode(ids)`. */
  pieces(ids: Int32Array | readonly number[], options?: DecodeOptions): string[];
  /** The UTF-8 bytes of one token; none for MASK. */
  pieceBytes(id: number): Uint8Array;
  /**
   * The last place where a text may be cut so that encode(a) + encode(b) = encode(a + b), whatever follows the text; 0 where there is none.
   * This is what lets a corpus stream.
   */
  lastCut(text: string): number;
  /** The tokenizer.json. */
  toJSON(): unknown;
}

export interface DecodeOptions {
  /** What MASK shows as; "▁" by default. */
  mask?: string;
}
