/**
 * What the rest of the house knows of a tokenizer, and how one is loaded from a tokenizer.json (the Hugging Face format). MASK is a state of
 * absorbing diffusion, not a token: its id is the vocabulary size, one above the last token, and only displays meet it.
 */
import { readText } from "#platform";
import { UserError } from "../platform/errors.ts";
import { bpeTokenizer } from "./bpe.ts";
import { characterTokenizer, isCharacterTokenizer } from "./character.ts";

export interface Tokenizer {
  readonly kind: "bpe" | "character";
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

/** Loads a tokenizer.json. UserError where it is missing, broken or of a kind that is not supported. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  let json: unknown;
  try {
    json = JSON.parse(await readText(path));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserError(`${path}: not JSON (${error.message}); expected a tokenizer.json`);
    throw error;
  }
  return parseTokenizer(json, path);
}

/** A tokenizer from the contents of a tokenizer.json; `name` is what errors call it. */
export function parseTokenizer(json: unknown, name = "tokenizer.json"): Tokenizer {
  try {
    return isCharacterTokenizer(json) ? characterTokenizer(json) : bpeTokenizer(json);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
}

/** SHA-256 of the tokenizer.json, in hexadecimal: equal for two tokenizers that were written alike. */
export async function fingerprint(tokenizer: Tokenizer): Promise<string> {
  const bytes = new TextEncoder().encode(JSON.stringify(tokenizer.toJSON()));
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
