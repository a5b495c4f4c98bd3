/** `trainTokenizer`: text files to a tokenizer. Reading and counting; the merges are chosen in bpe-training.ts. */
import { fileSize, macrotask } from "#platform";
import { UserError } from "../platform/errors.ts";
import { bpeFile, bpeTokenizer } from "./bpe.ts";
import { mergeSteps } from "./bpe-training.ts";
import { indexOfByte, lastWordEnd, wordsOf } from "./byte-alphabet.ts";
import { characterFile, characterTokenizer, lastCharacterEnd } from "./character.ts";
import { alignPieces, emptyCorpus, readDocuments, type CorpusOptions } from "./corpus.ts";
import { lastCutOutside, sections, specialToken } from "./format.ts";
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
  /** Special tokens, such as "<|endoftext|>"; they get the last ids. Where the text spells one, it is none of the text that the others are made from. */
  special?: readonly string[];
  /** Text that ends a document inside a file, and is no text either. */
  separator?: string;
  /** For "bpe": a pair that occurs less often is never merged. Default 2. */
  minimumCount?: number;
  /** Called now and then with the bytes of text read so far, and those of all files. */
  onProgress?: (done: number, total: number) => void;
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
  const wrong = wrongSize(options);
  if (wrong !== undefined) throw new UserError(`size: ${wrong}`);
  const reading = await withProgress(options);
  if (options.kind === "character") return characterTokenizer(await characters(reading, special));

  const counts = await countWords(reading, special);
  const encoder = new TextEncoder();
  const words = Array.from(counts, ([word, count]) => ({ symbols: encoder.encode(word).map((byte) => indexOfByte[byte]!), count }));
  const merges = await pausing(mergeSteps(words, options.size! - special.length, options.minimumCount ?? 2), options.signal);
  return bpeTokenizer(bpeFile(merges, special));
}

/** What is wrong with the size of a tokenizer to be trained, if anything is. */
export function wrongSize({
  kind,
  size,
  special = [],
}: {
  readonly kind: "bpe" | "character";
  readonly size?: number | undefined;
  readonly special?: readonly string[] | undefined;
}): string | undefined {
  const least = 256 + special.length;
  if (kind === "character" || (Number.isInteger(size) && size! >= least && size! <= 2 ** 20)) return undefined;
  return `${size === undefined ? "none given, but" : `${size} is no vocabulary size;`} byte-level BPE needs one, an integer from ${least} to ${2 ** 20}`;
}

/** Milliseconds of work between two turns of the event loop, in which a signal can come. */
const TURN = 50;

async function pausing<T>(steps: Generator<undefined, T>, signal?: AbortSignal): Promise<T> {
  for (let last = performance.now(); ;) {
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - last < TURN) continue;
    await macrotask();
    signal?.throwIfAborted();
    last = performance.now();
  }
}

/** The same, with the bytes of every chunk told as a part of all. */
async function withProgress(options: TrainTokenizerOptions): Promise<TrainTokenizerOptions> {
  const { files, onProgress } = options;
  if (!onProgress) return options;
  let [done, total] = [0, 0];
  for (const file of files) total += await fileSize(file);
  return { ...options, onRead: (bytes) => onProgress((done += bytes), total) };
}

/** The text of the files in pieces that cut no word, without separators and special tokens. */
async function* plainText(
  options: TrainTokenizerOptions,
  special: readonly string[],
  lastCut: (text: string, limit?: number, allowed?: (at: number) => boolean) => number,
): AsyncGenerator<string> {
  const added = special.map((content, id) => specialToken(content, id));
  const outside = (text: string): number => lastCutOutside(text, added, (limit, allowed) => lastCut(text, limit, allowed));
  for (const file of options.files)
    for await (const { text } of alignPieces(readDocuments(file, options.separator, options), outside, file))
      for (const section of sections(text, added)) if (typeof section === "string") yield section;
}

/** Every word of the files and how often it occurs. */
async function countWords(options: TrainTokenizerOptions, special: readonly string[]): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for await (const text of plainText(options, special, lastWordEnd))
    for (const word of wordsOf(text)) {
      const count = counts.get(word);
      // A new one as a string of its own: a slice would keep its whole text alive.
      if (count === undefined) counts.set(Array.from(word).join(""), 1);
      else counts.set(word, count + 1);
    }
  if (counts.size === 0) throw emptyCorpus(options.files);
  return counts;
}

async function characters(options: TrainTokenizerOptions, special: readonly string[]): Promise<unknown> {
  const seen = new Set<number>();
  for await (const text of plainText(options, special, lastCharacterEnd)) for (const character of text) seen.add(character.codePointAt(0)!);
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
