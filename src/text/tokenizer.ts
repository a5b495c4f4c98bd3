/**
 * Tokenizers as files: loading a tokenizer.json (the Hugging Face format) of any kind that is supported, and telling two tokenizers apart. What a tokenizer
 * does is in interface.ts.
 */
import { readText } from "#platform";
import { sha256 } from "../platform/digest.ts";
import { UserError } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";
import { bpeTokenizer } from "./bpe.ts";
import { characterTokenizer, isCharacterTokenizer } from "./character.ts";
import type { Tokenizer } from "./interface.ts";
import { isWordPiece, wordPieceTokenizer } from "./wordpiece.ts";

export type { Tokenizer } from "./interface.ts";

/** Loads a tokenizer.json; a byte order mark is passed over. UserError where it is missing, broken or of a kind that is not supported. */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  let json: unknown;
  try {
    json = JSON.parse(withoutMark(await readText(path)));
  } catch (error) {
    if (error instanceof SyntaxError) throw new UserError(`${path}: not JSON (${error.message}); expected a tokenizer.json`);
    throw error;
  }
  return parseTokenizer(json, path);
}

/** A tokenizer from the contents of a tokenizer.json; `name` is what errors call it. */
export function parseTokenizer(json: unknown, name = "tokenizer.json"): Tokenizer {
  try {
    if (isWordPiece(json)) return wordPieceTokenizer(json);
    return isCharacterTokenizer(json) ? characterTokenizer(json) : bpeTokenizer(json);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${name}: ${error.message}`) : error;
  }
}

/** SHA-256 of the tokenizer.json, in hexadecimal: equal for two tokenizers that were written alike. */
export async function fingerprint(tokenizer: Tokenizer): Promise<string> {
  const digest = await sha256(JSON.stringify(tokenizer.toJSON()));
  if (digest === undefined) throw new Error("fingerprint: this platform has no SHA-256");
  return digest;
}
