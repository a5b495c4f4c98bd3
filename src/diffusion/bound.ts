/**
 * What every estimator of the likelihood bound returns, and what is made of it: totals, their Monte-Carlo error, and the difference of two bounds that were
 * estimated under the same noise. No estimator is here (likelihood.ts, exact-k.ts, unmasking.ts).
 */
import { UserError } from "../platform/errors.ts";
import type { Random } from "../platform/random.ts";

export const boundTerms = ["integral", "tail", "prior", "reconstruction", "unmasking", "pseudo"] as const;
export type BoundTerm = (typeof boundTerms)[number];

export interface BoundOptions {
  /** Noisy copies of each window, at least 2 (default 8); rounded up to a multiple of the replicates. */
  readonly samples?: number | undefined;
  /** The only source of randomness. The same stream gives the same times and corruptions for the same windows, whatever the score. */
  readonly random: Random;
  /** The positions of each window that are judged: they alone are ever noisy, the rest is given. Default: all of them. */
  readonly free?: readonly Int32Array[] | undefined;
  /** Positions of each window that are MASK throughout and judged by nobody (absorb): what stands there is unknown. Default: none. */
  readonly hidden?: readonly Int32Array[] | undefined;
  /** The same times, and as far as they have the same number of judged positions the same corruption, for every window: for comparing the windows. */
  readonly paired?: boolean | undefined;
  /** Windows in one call of the score; default 64. */
  readonly maxRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Awaited after every call of the score. */
  readonly pause?: (() => Promise<void>) | undefined;
  /** Noisy copies done, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Unbiased estimates of the terms that graph and noise have, in nats. */
export interface BoundSamples {
  readonly windows: number;
  /** Independent repetitions of the whole estimate; a single one is an exact value. */
  readonly replicates: number;
  /** Noisy copies of each window that were drawn. */
  readonly samples: number;
  /** Each [windows · replicates], window by window: nats of that window. */
  readonly terms: Readonly<Partial<Record<BoundTerm, Float64Array>>>;
  /** Calls of the score, and the windows in them. */
  readonly calls: number;
  readonly rows: number;
}

/** A number of nats and its Monte-Carlo error, the text fixed. */
export interface Estimate {
  readonly total: number;
  readonly standardError: number;
}

/**
 * The mean of independent replicates and its standard error, 0 for a single (exact) value. Where a replicate is infinite so is the mean, without error: what
 * happens with a probability above 0 has its part in the expectation.
 */
export function estimate(replicates: ArrayLike<number>): Estimate {
  const n = replicates.length;
  let total = 0;
  for (let r = 0; r < n; r++) total += replicates[r]! / n;
  if (n === 1 || Math.abs(total) === Infinity) return { total, standardError: 0 };
  let squares = 0;
  for (let r = 0; r < n; r++) squares += (replicates[r]! - total) ** 2;
  return { total, standardError: Math.sqrt(squares / (n - 1) / n) };
}

/** All terms of one window, or of all windows together, replicate by replicate, in nats. */
export function replicateTotals({ windows, replicates, terms }: BoundSamples, window?: number): Float64Array {
  const sums = new Float64Array(replicates);
  for (const values of Object.values(terms))
    for (let w = window ?? 0; w < (window === undefined ? windows : window + 1); w++)
      for (let r = 0; r < replicates; r++) sums[r]! += values[w * replicates + r]!;
  return sums;
}

/** The estimate over all windows, in nats (divide by the tokens): the bound, the Monte-Carlo error of it with the text fixed, and each term. */
export function summariseBound(samples: BoundSamples): Estimate & { readonly terms: Partial<Record<BoundTerm, number>> } {
  const means: Partial<Record<BoundTerm, number>> = {};
  for (const name of boundTerms) {
    const values = samples.terms[name];
    if (values) means[name] = values.reduce((a, b) => a + b, 0) / samples.replicates;
  }
  return { ...estimate(replicateTotals(samples)), terms: means };
}

/**
 * Bound of `a` minus bound of `b`, in nats, with the error of the difference. Estimated under one stream of randomness the two have the same times and
 * corruptions, so that what the noise does to both cancels and the error is smaller than either's own.
 *
 * @param windowA one window of `a` instead of all of them; likewise for b, which may be the same samples
 * @throws UserError for bounds of other options, and where both are infinite
 */
export function compareBounds(a: BoundSamples, b: BoundSamples, windowA?: number, windowB?: number): Estimate {
  if (a.replicates !== b.replicates)
    throw new UserError(`compareBounds: ${a.replicates} and ${b.replicates} replicates; estimate both bounds with the same options`);
  return differenceOf(replicateTotals(a, windowA), replicateTotals(b, windowB));
}

/** The mean of `a` minus that of `b`, replicate by replicate. @throws UserError where both are infinite */
export function differenceOf(a: ArrayLike<number>, b: ArrayLike<number>): Estimate {
  const difference = estimate(Float64Array.from(a, (value, r) => value - b[r]!));
  // ∞ − ∞, in one replicate or in their sum.
  if (Number.isNaN(difference.total))
    throw new UserError("both bounds are infinite: either model gives a token of its text probability 0, and they have no difference");
  return difference;
}

/** Every position of a window. */
export const everyPosition = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i);

/** UserError unless the windows hold tokens and the judged positions are there, each once. */
export function checkWindows(windows: readonly Int32Array[], vocabularySize: number, free?: readonly Int32Array[]): void {
  if (windows.length === 0) throw new UserError("there is no text to evaluate");
  if (free && free.length !== windows.length)
    throw new UserError(`positions to judge are given for ${free.length} windows; there are ${windows.length}`);
  for (const [w, window] of windows.entries()) {
    if (window.length === 0) throw new UserError(`window ${w} of the text is empty`);
    for (const token of window)
      if (!(token >= 0 && token < vocabularySize))
        throw new UserError(`window ${w} holds token ${token}; tokens are 0 to ${vocabularySize - 1}`);
    if (!free) continue;
    if (free[w]!.length === 0) throw new UserError(`window ${w} has no position to judge`);
    const judged = new Set<number>();
    for (const position of free[w]!) {
      if (!(position >= 0 && position < window.length) || judged.has(position))
        throw new UserError(
          `position ${position} of window ${w} ${judged.has(position) ? "is to be judged twice" : "cannot be judged"}; give positions from 0 to ${window.length - 1}, each once`,
        );
      judged.add(position);
    }
  }
}

/** Error where scores that are no numbers have made a term none. */
export function checkTerms(terms: BoundSamples["terms"]): void {
  for (const [name, values] of Object.entries(terms))
    if (values.some(Number.isNaN)) throw new Error(`the bound's ${name} is not a number: the scores are not`);
}

/** UserError unless there are enough samples for a standard error. */
export function checkSamples(samples: number): void {
  if (!(Number.isSafeInteger(samples) && samples >= 2)) throw new UserError(`samples must be a whole number of at least 2, got ${samples}`);
}
