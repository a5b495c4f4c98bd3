/** `trainTokenizer`: text files to a tokenizer. Reading and counting; the merges are chosen in bpe-training.ts. */
import { UserError } from "../platform/errors.ts";
import { bpeFile, bpeTokenizer } from "./bpe.ts";
import { trainMerges } from "./bpe-training.ts";
import { indexOfByte, lastWordEnd, wordPattern } from "./byte-alphabet.ts";
import { characterFile, characterTokenizer } from "./character.ts";
import { alignPieces, emptyCorpus, readDocuments, readTextChunks, type CorpusOptions } from "./corpus.ts";
import type { Tokenizer } from "./interface.ts";

export interface TrainTokenizerOptions extends CorpusOptions {
  /** Text files, UTF-8. */
  files: readonly string[];
  kind: "bpe" | "character";
  /**
   * Vocabulary size, special tokens included. For "bpe" required and at least 256 more than there are special tokens; a small corpus may give
   * fewer tokens. For "character" the most there may be; left out, as many as the text has characters.
   */
  size?: number;
  /** Special tokens, such as "<|endoftext|>"; they get the last ids. */
  special?: readonly string[];
  /** For "bpe": a pair that occurs less often is never merged. Default 2. */
  minimumCount?: number;
}

/**
 * Trains a tokenizer; write `tokenizer.toJSON()` to a tokenizer.json. The same files give the same tokenizer. UserError for an empty corpus,
 * invalid UTF-8 and a size that cannot be.
 *
 * @example
 * const tokenizer = await trainTokenizer({ files: ["tales.txt"], kind: "bpe", size: 2048 });
 */
export async function trainTokenizer(options: TrainTokenizerOptions): Promise<Tokenizer> {
  const special = options.special ?? [];
  if (options.files.length === 0) throw new UserError("files: none given; a tokenizer is trained on at least one text file");
  if (special.some((token) => token === "") || new Set(special).size !== special.length) {
    throw new UserError(`special: ${JSON.stringify(special)} has an empty or a repeated token`);
  }
  if (options.kind === "character") return characterTokenizer(await characters(options, special));

  const size = options.size ?? Number.NaN;
  const least = 256 + special.length;
  if (!Number.isInteger(size) || size < least || size > 2 ** 20) {
    throw new UserError(`size: ${options.size} is no vocabulary size for byte-level BPE; expected an integer from ${least} to ${2 ** 20}`);
  }
  const counts = await countWords(options);
  const encoder = new TextEncoder();
  const words = Array.from(counts, ([word, count]) => ({ symbols: encoder.encode(word).map((byte) => indexOfByte[byte]!), count }));
  return bpeTokenizer(bpeFile(trainMerges(words, size - special.length, options.minimumCount ?? 2), special));
}

/** Every word of the files and how often it occurs. */
async function countWords(options: TrainTokenizerOptions): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (const file of options.files) {
    for await (const piece of alignPieces(readDocuments(file, undefined, options), lastWordEnd, file)) {
      for (const [word] of piece.text.matchAll(wordPattern())) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  if (counts.size === 0) throw emptyCorpus(options.files);
  return counts;
}

async function characters(options: TrainTokenizerOptions, special: readonly string[]): Promise<unknown> {
  const seen = new Set<number>();
  for (const file of options.files) {
    for await (const text of readTextChunks(file, options)) for (const character of text) seen.add(character.codePointAt(0)!);
  }
  if (seen.size === 0) throw emptyCorpus(options.files);
  const alphabet = Array.from(seen)
    .toSorted((a, b) => a - b)
    .map((codePoint) => String.fromCodePoint(codePoint));
  const size = alphabet.length + special.length;
  if (options.size !== undefined && size > options.size) {
    throw new UserError(
      `size: ${options.size} is too small; the text has ${alphabet.length} different characters, so give at least ${size}`,
    );
  }
  return characterFile(alphabet, special);
}
