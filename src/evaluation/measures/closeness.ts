/** How close generated texts are to the test text: the MAUVE-style score on a judge's features. */
import { everyPosition } from "../../diffusion/bound.ts";
import { shuffled } from "../../diffusion/shuffle.ts";
import { random } from "../../platform/random.ts";
import { meanOf } from "../estimates.ts";
import { mauve } from "../mauve.ts";
import type { Estimate } from "../report/schema.ts";

export interface MeasuredCloseness extends Estimate {
  readonly clusters: number;
  /** How many texts of each kind were there. */
  readonly texts: number;
}

/**
 * The mean over repetitions, each with its own half of either set and its own seed of the clustering. The spread of a statistic of halves is that of the same
 * statistic of sets twice as large drawn anew (the jackknife that leaves out half): it is the error of one score, and does not shrink with more repetitions.
 *
 * @param human features, a text each @param generated as many
 * @param clusters at most as many as a half has texts
 */
export function measureCloseness(
  human: readonly Float32Array[],
  generated: readonly Float32Array[],
  { repetitions, clusters }: { readonly repetitions: number; readonly clusters?: number | undefined },
): MeasuredCloseness {
  const texts = Math.min(human.length, generated.length);
  const half = Math.max(2, Math.floor(texts / 2));
  const scores = Array.from({ length: repetitions }, (_, seed) => {
    const some = (all: readonly Float32Array[], stream: number): Float32Array[] =>
      Array.from(shuffled(everyPosition(texts), random(seed, stream)).subarray(0, half), (i) => all[i]!);
    return mauve(some(human, 0), some(generated, 1), { seed, ...(clusters === undefined ? {} : { clusters: Math.min(clusters, half) }) });
  });
  const { value, standardError } = meanOf(scores.map(({ score }) => score));
  return { value, standardError: standardError * Math.sqrt(repetitions), clusters: scores[0]!.clusters, texts };
}
