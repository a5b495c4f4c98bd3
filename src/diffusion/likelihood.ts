/**
 * The likelihood bound, every term of it: −log p(x0) ≤ integral + end terms, p being the law of the continuous-time reverse process.
 *   integral        ∫_0^1 σ'(t) E[SE(x_t)] dt, SE summed over positions                                                       (always)
 *   tail            σ > σ(1), started all-MASK, the network held at σ(1):  ε E[Σh − log h_{x0} − 1] a position, ε = e^{−σ(1)}   (absorb)
 *   prior           KL(p_{1|0}(·|x0) ‖ 1/V) a position, exact                                                                 (uniform)
 *   reconstruction  −log of the final denoise at σ(0), E over x at σ(0)                                           (noise with σ(0) > 0)
 *
 * Absorb: SE at a MASK is X/(e^σ−1), X = Σh − log h_{x0} − 1, and P(MASK) = 1 − e^{−σ}; so ∫ E[SE] dσ = ∫ Σ_i E[X_i | i masked] da over the surviving share
 * a = e^{−σ}, whatever the schedule. One position is masked for certain, the others with probability 1 − a: n times the mean of X over the k masked positions
 * is unbiased (k is then size-biased, by k/(n(1−a))), and its variance stays finite as a → 1, where the plain estimate's does not. The tail is the same
 * integrand on (0, ε), where X keeps the h of σ(1). Uniform: a = 1 − m, m quadratic in the uniform number, which does the same for small noise.
 *
 * All randomness of the estimate is in independent replicates, whose spread is its standard error for a fixed text. Within a replicate a is stratified over
 * the windows and the samples.
 */
import { UserError } from "../platform/errors.ts";
import type { Random } from "../platform/random.ts";
import { denoiseLaw } from "./denoise.ts";
import { normalised, probabilities } from "./law.ts";
import { type Job, makeQueue } from "./likelihood-queue.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess, scoreEntropy } from "./score-entropy.ts";
import type { ScoreModel } from "./score.ts";
import { shuffled } from "./shuffle.ts";

export const boundTerms = ["integral", "tail", "prior", "reconstruction"] as const;
export type BoundTerm = (typeof boundTerms)[number];

export interface BoundOptions {
  /** Noisy copies of each window, at least 2 (default 8); rounded up to a multiple of the replicates. */
  readonly samples?: number | undefined;
  /** The only source of randomness. The same stream gives the same times and corruptions for the same windows, whatever the score. */
  readonly random: Random;
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
  readonly replicates: number;
  /** Noisy copies of each window that were drawn for the integral. */
  readonly samples: number;
  /** Each [windows · replicates], window by window: nats of that window. */
  readonly terms: Readonly<Partial<Record<BoundTerm, Float64Array>>>;
  /** Calls of the score. */
  readonly calls: number;
}

/**
 * Samples the bound of each window.
 *
 * @param windows clean tokens; each is a sequence by itself, of any length
 */
export async function boundSamples(
  score: ScoreModel,
  noise: Noise,
  windows: readonly Int32Array[],
  options: BoundOptions,
): Promise<BoundSamples> {
  const { graph } = score;
  const { samples: wanted = 8, random, maxRows = 64 } = options;
  checkWindows(windows, graph.vocabularySize, wanted);
  const count = windows.length;
  // Enough replicates for a standard error, and within each enough points for stratification to pay.
  const replicates = Math.min(wanted, Math.max(4, Math.min(16, Math.floor((wanted * count) / 8))));
  const strata = Math.ceil(wanted / replicates);
  const everyWindow = Int32Array.from(windows.keys());
  const { mask } = graph;
  const [sigma0, sigma1] = [noise.sigma(0), noise.sigma(1)];
  const alive1 = Math.exp(-sigma1);
  // The integral is over the corrupted share m = 1 − a, from first to first + span.
  const first = -Math.expm1(-sigma0);
  const span = 1 - alive1 - first;

  const terms: Partial<Record<BoundTerm, Float64Array>> = {};
  const term = (name: BoundTerm) => (terms[name] ??= new Float64Array(count * replicates));
  const total = count * replicates * (strata + (mask === undefined ? 0 : 1) + (sigma0 > 0 ? 1 : 0));
  const queue = makeQueue(score, { ...options, maxRows, total });
  const excess = (sigma: number) => (sum: number, logClean: number) => maskedExcess(sum, logClean, sigma);
  /** A noisy copy of window w at corrupted share m; its positions' values are added to a term with a weight (absorb: n/k times it). */
  const job = (w: number, r: number, name: BoundTerm, m: number, weight: number, read: Pick<Job, "sigma" | "masked" | "whole">): Job => {
    const x0 = windows[w]!;
    const x = mask === undefined ? graph.corrupt(x0, Float64Array.of(-Math.log1p(-m)), random) : maskSome(x0, m, mask, random);
    const share = mask === undefined ? weight : (weight * x0.length) / x.reduce((k, state) => k + (state === mask ? 1 : 0), 0);
    return { x, x0, ...read, add: (value) => void (term(name)[w * replicates + r]! += share * value) };
  };

  // All-MASK at σ(1), which most samples of the tail are: one call a length, for all windows and replicates.
  const tail = mask === undefined ? undefined : await allMasked(score, mask, windows, sigma1);
  const denoise = sigma0 > 0 ? denoiseLaw(graph, sigma0) : undefined;

  for (let r = 0; r < replicates; r++) {
    for (let j = 0; j < strata; j++) {
      const order = shuffled(everyWindow, random);
      for (let w = 0; w < count; w++) {
        const v = (j + (order[w]! + 1 - random.uniform()) / count) / strata; // in (0, 1]
        const density = mask === undefined ? 2 * v : 1;
        const m = first + span * (mask === undefined ? v * v : v);
        const sigma = Math.min(sigma1, -Math.log1p(-m));
        const weight = (span * density) / strata;
        const whole = (row: ArrayLike<number>, x: number, x0: number) => scoreEntropy(graph, row, sigma, x, x0) / (1 - m); // dσ = dm/(1−m)
        await queue.push(job(w, r, "integral", m, weight, { sigma, masked: excess(sigma), whole }));
      }
    }
    for (let w = 0; w < count; w++) {
      if (tail) {
        const tailJob = job(w, r, "tail", 1 - alive1 * (1 - random.uniform()), alive1, { sigma: sigma1, masked: excess(sigma1) });
        if (tailJob.x.every((state) => state === mask)) queue.settle(tailJob, tail.values[w]!);
        else await queue.push(tailJob);
      } else term("prior")[w * replicates + r] = windows[w]!.length * uniformPriorKl(graph.vocabularySize, sigma1);
      if (denoise)
        await queue.push(
          job(w, r, "reconstruction", first, mask === undefined ? 1 : first, {
            sigma: sigma0,
            masked: (sum, logClean) => Math.log(sum) - logClean,
            whole: (row, x, x0) => -Math.log(normalised(probabilities(denoise, x, row))[x0]!),
          }),
        );
    }
  }
  await queue.finish();
  for (const name of Object.keys(terms)) terms[name as BoundTerm]!.forEach((value) => notNaN(value, name));
  return { windows: count, replicates, samples: strata * replicates, terms, calls: queue.calls() + (tail?.calls ?? 0) };
}

/** The estimate over all windows, in nats (divide by the tokens): the bound, the Monte-Carlo error of it with the text fixed, and each term. */
export function summariseBound({ windows, replicates, terms }: BoundSamples): {
  total: number;
  standardError: number;
  terms: Partial<Record<BoundTerm, number>>;
} {
  const sums = new Float64Array(replicates);
  const means: Partial<Record<BoundTerm, number>> = {};
  for (const name of boundTerms) {
    const values = terms[name];
    if (!values) continue;
    let all = 0;
    for (let i = 0; i < windows * replicates; i++) {
      sums[i % replicates]! += values[i]!;
      all += values[i]!;
    }
    means[name] = all / replicates;
  }
  const total = sums.reduce((a, b) => a + b, 0) / replicates;
  const variance = sums.reduce((a, b) => a + (b - total) ** 2, 0) / (replicates - 1);
  return { total, standardError: Math.sqrt(variance / replicates), terms: means };
}

/** KL(p_{1|0}(·|x0) ‖ 1/V) of one position, a = e^{−σ}: the token has a + (1−a)/V, each other (1−a)/V. Written without cancellation for small a. */
export function uniformPriorKl(vocabularySize: number, sigma: number): number {
  const alive = Math.exp(-sigma);
  const others = vocabularySize - 1;
  const own = (1 + others * alive) / vocabularySize;
  // log((1−a)) · (1 − own) vanishes with its factor when there is one token.
  return own * Math.log1p(others * alive) + (others === 0 ? 0 : ((others * (1 - alive)) / vocabularySize) * Math.log1p(-alive));
}

/** One position, drawn evenly, is masked for certain; the others each with the given probability. */
function maskSome(x0: Int32Array, probability: number, mask: number, random: Random): Int32Array {
  const certain = random.integer(x0.length);
  return x0.map((token, i) => (random.uniform() < probability || i === certain ? mask : token));
}

/** Σ_i (Σh − log h_{x0} − 1) of every window with all positions masked and the score asked at σ(1). */
async function allMasked(
  score: ScoreModel,
  mask: number,
  windows: readonly Int32Array[],
  sigma: number,
): Promise<{ values: Float64Array; calls: number }> {
  const values = new Float64Array(windows.length);
  const lengths = new Set(windows.map((window) => window.length));
  for (const length of lengths) {
    const answer = await score.evaluate(
      new Int32Array(length).fill(mask),
      Float64Array.of(sigma),
      Int32Array.from({ length }, (_, i) => i),
    );
    const sums = await answer.sums();
    for (const [w, window] of windows.entries()) {
      if (window.length !== length) continue;
      const logs = await answer.at(window);
      logs.forEach((log, i) => (values[w]! += maskedExcess(sums[i]!, log, sigma)));
    }
  }
  return { values, calls: lengths.size };
}

function notNaN(value: number, term: string): void {
  if (Number.isNaN(value)) throw new Error(`the bound's ${term} is not a number: the scores are not`);
}

function checkWindows(windows: readonly Int32Array[], vocabularySize: number, samples: number): void {
  if (!(Number.isSafeInteger(samples) && samples >= 2)) throw new UserError(`samples must be a whole number of at least 2, got ${samples}`);
  if (windows.length === 0) throw new UserError("there is no text to evaluate");
  for (const [w, window] of windows.entries()) {
    if (window.length === 0) throw new UserError(`window ${w} of the text is empty`);
    for (const token of window)
      if (token < 0 || token >= vocabularySize)
        throw new UserError(`window ${w} holds token ${token}; tokens are 0 to ${vocabularySize - 1}`);
  }
}
