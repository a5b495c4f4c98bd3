/** What a model writes: how a judge likes it, how varied it is, and what of it stands word for word in the training text. */
import { distinctShare, repetitionShare, unigramEntropy } from "../diversity.ts";
import { meanOf, perplexityOf, quotientOf } from "../estimates.ts";
import { END_OF_TEXT } from "../../text/interface.ts";
import { overlapFinder } from "../overlap.ts";
import type { Estimate } from "../report/schema.ts";
import type { Batch } from "./texts.ts";
import type { TrainingText } from "../training-text.ts";

export interface MeasuredTexts {
  readonly perplexity: Estimate;
  readonly bitsPerCharacter: Estimate;
  readonly unigramEntropy: Estimate;
  readonly distinct: readonly { readonly n: number; readonly share: Estimate }[];
  readonly repetition: Estimate;
  readonly longestCopy: { readonly characters: number; readonly text: string };
  /** How many texts. */
  readonly texts: number;
}

/** Sizes of n-grams: different ones are counted within a batch, repeated ones within a text. */
const DISTINCT = [1, 2, 3];
export const REPEATED = 4;

/** @param batches all of one size, since a larger one has smaller shares of different n-grams */
export async function measureTexts(batches: readonly Pick<Batch, "texts">[], training: Pick<TrainingText, "read">): Promise<MeasuredTexts> {
  const texts = batches.flatMap(({ texts }) => texts);
  const finder = overlapFinder(texts.map(({ text }) => text));
  for await (const piece of training.read()) finder.read(piece);
  const copies = finder.longest();
  const longest = copies.reduce((one, other) => (other.length > one.length ? other : one));
  const sizes = DISTINCT.filter((n) => texts.every(({ tokens }) => tokens.length >= n));
  return {
    ...readabilityOf(batches),
    bitsPerCharacter: quotientOf(
      texts.map(({ judged }) => judged.nats / Math.LN2),
      // End-of-text is no text, though it is spelled here; its nats count.
      texts.map(({ text }) => [...text.replaceAll(END_OF_TEXT, "")].length),
    ),
    distinct: sizes.map((n) => ({
      n,
      share: meanOf(
        batches.map(({ texts }) =>
          distinctShare(
            texts.map(({ tokens }) => tokens),
            n,
          ),
        ),
      ),
    })),
    repetition: meanOf(texts.map(({ tokens }) => repetitionShare(tokens, Math.min(REPEATED, tokens.length)))),
    longestCopy: { characters: longest.length, text: longest.passage },
    texts: texts.length,
  };
}

/** Perplexity and entropy, which go together always: text of few words pleases a judge too. */
export function readabilityOf(batches: readonly Pick<Batch, "texts">[]): Pick<MeasuredTexts, "perplexity" | "unigramEntropy"> {
  const texts = batches.flatMap(({ texts }) => texts);
  return {
    perplexity: perplexityOf(texts.map(({ judged }) => judged)),
    unigramEntropy: meanOf(texts.map(({ tokens }) => unigramEntropy(tokens))),
  };
}
