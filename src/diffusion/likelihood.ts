/**
 * The likelihood bound, every term of it: −log p(x0) ≤ integral + end terms, p being the law of the continuous-time reverse process.
 *   integral        ∫_0^1 σ'(t) E[SE(x_t)] dt, SE summed over positions                                                       (always)
 *   tail            σ > σ(1), started all-MASK, the network held at σ(1):  ε E[Σh − log h_{x0} − 1] a position, ε = e^{−σ(1)}   (absorb)
 *   prior           KL(p_{1|0}(·|x0) ‖ 1/V) a position, exact                                                                 (uniform)
 *   reconstruction  −log of the final denoise at σ(0), E over x at σ(0)                                           (noise with σ(0) > 0)
 *
 * Absorb: SE at a MASK is X/(e^σ−1), X = Σh − log h_{x0} − 1, and P(MASK) = 1 − e^{−σ}; so ∫ E[SE] dσ = ∫ Σ_i E[X_i | i masked] dm over the masked share
 * m = 1 − e^{−σ}, whatever the schedule. One position is masked for certain, the others with probability m: n times the mean of X over the k masked positions
 * is unbiased (k is then size-biased, by k/(nm)), and its variance stays finite as m → 0, where the plain estimate's does not. The tail is the same
 * integrand on the last e^{−σ(1)}, where X keeps the h of σ(1). Uniform: SE is integrated over σ itself, since an error of the score costs
 * something at any noise, however little is left of x0; in m all that is beyond σ = 7 would hang on the last 1e-3.
 *
 * Four things keep the variance low. The place v in the integral is stratified, with antithetic neighbours (strata.ts). m = v²: few masked positions make a noisy
 * mean, so they get more samples and smaller weights (and so, for uniform, does small noise, where SE is singular: noiseAt). Under absorb u_i, the X of position i
 * when everything is masked (which the tail needs anyway), is a control variate: n · mean(X − u) + Σ_i u_i is unbiased too, for the mean of u over k evenly drawn positions is its mean over
 * all. What is estimated then is what context takes off the surprise; a model without context has no error at all. And as context takes off about as much
 * as there is of it, u − X goes as 1 − m, whose mean is known: a regression on it removes most of what few points in v leave.
 *
 * With `free` positions the rest is given: only free ones are ever noisy. For absorb an exact score there is a conditional one, and the bound is on
 * −log p(free | given), of the process that is clamped to what is given; under uniform it is the same bound for the clamped process, whose law is not the
 * conditional one, because a score takes the given tokens for noisy.
 *
 * All randomness of the estimate is in independent replicates, whose spread is its standard error for a fixed text. Within a replicate v is stratified over
 * the windows and the samples.
 */
import type { Random } from "../platform/random.ts";
import { type BoundOptions, type BoundSamples, type BoundTerm, checkSamples, checkTerms, checkWindows, everyPosition } from "./bound.ts";
import { denoiseLaw } from "./denoise.ts";
import { normalised, probabilities } from "./law.ts";
import { type Job, makeQueue } from "./likelihood-queue.ts";
import { excessWhenAllMasked, masking } from "./masking.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess, scoreEntropy } from "./score-entropy.ts";
import type { ScoreModel } from "./score.ts";
import { eachSample, eachWindow, noiseAt, regress, replication } from "./strata.ts";

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
  const { mask } = graph;
  const { samples: wanted = 8, random, free, paired = false } = options;
  checkSamples(wanted);
  checkWindows(windows, graph.vocabularySize, free);
  const count = windows.length;
  const { replicates, strata } = replication(wanted, paired ? 1 : count);
  const [sigma0, sigma1] = [noise.sigma(0), noise.sigma(1)];
  const alive1 = Math.exp(-sigma1);
  // Absorb: the integral is over the masked share m, from first to first + span.
  const first = -Math.expm1(-sigma0);
  const span = 1 - alive1 - first;

  const terms: Partial<Record<BoundTerm, Float64Array>> = {};
  const term = (name: BoundTerm) => (terms[name] ??= new Float64Array(count * replicates));
  const total = count * replicates * (strata + (mask === undefined ? 0 : 1) + (sigma0 > 0 ? 1 : 0));
  const queue = makeQueue(score, { ...options, total });
  const masks = mask === undefined ? undefined : masking(mask, noise, windows, options);
  const allMasked = masks && (await excessWhenAllMasked(score, masks, windows, sigma1, options));
  const surprise = allMasked?.values.map((values) => values.reduce((a, b) => a + b, 0));
  const denoise = sigma0 > 0 ? denoiseLaw(graph, sigma0) : undefined;
  // What context takes off (negative), and how much of it there is.
  const [gain, visible] = [new Float64Array(count * replicates), new Float64Array(count * replicates)];

  /** A noisy copy of window w at σ; its positions' values are added to a term with a weight. */
  const uniformJob = (
    w: number,
    r: number,
    name: BoundTerm,
    sigma: number,
    weight: number,
    whole: NonNullable<Job["whole"]>,
    draw: Random,
  ): Job => {
    const x0 = windows[w]!;
    const judged = free?.[w] ?? everyPosition(x0.length);
    const noisy = graph.corrupt(
      judged.map((i) => x0[i]!),
      Float64Array.of(sigma),
      draw,
    );
    const x = x0.slice();
    judged.forEach((i, k) => (x[i] = noisy[k]!));
    return {
      x,
      x0,
      judged,
      sigma,
      masked: () => Number.NaN,
      whole,
      add: (value) => void (term(name)[w * replicates + r]! += weight * value),
    };
  };
  /** The same under absorb: n times the mean over the masked positions; with `control`, of what context takes off, beside the surprise without context. */
  const maskedJob = (
    w: number,
    r: number,
    name: BoundTerm,
    m: number,
    weight: number,
    draw: Random,
    read?: Job["masked"],
    control = 0,
  ): Job => {
    const positions = masks!.free(w);
    const which = maskSome(positions.length, m, draw);
    const judged = which.map((k) => positions[k]!);
    const sigma = masks!.asked(m);
    const all = surprise![w]!;
    const known = control > 0 && Number.isFinite(all) ? which.reduce((sum, k) => sum + allMasked!.values[w]![k]!, 0) : 0;
    const share = (weight * positions.length) / judged.length;
    return {
      x: masks!.copy(w, judged),
      x0: windows[w]!,
      judged,
      sigma,
      masked: read ?? ((sum, logClean) => maskedExcess(sum, logClean, sigma)),
      add(value) {
        const at = w * replicates + r;
        term(name)[at]! += share * (value - known) + (Number.isFinite(all) ? control * all : 0);
        if (control === 0) return;
        gain[at]! += share * (value - known);
        visible[at]! += weight * (1 - m);
      },
    };
  };

  for (let r = 0; r < replicates; r++) {
    for (const { w, place: v, draw } of eachSample(count, strata, paired, random)) {
      if (masks) {
        await queue.push(maskedJob(w, r, "integral", first + span * v * v, (span * 2 * v) / strata, draw, undefined, span / strata));
      } else {
        const { sigma, slope } = noiseAt(v, sigma0, sigma1);
        const whole = (row: ArrayLike<number>, x: number, x0: number) => scoreEntropy(graph, row, sigma, x, x0);
        await queue.push(uniformJob(w, r, "integral", sigma, slope / strata, whole, draw));
      }
    }
    for (const { w, draw } of eachWindow(count, paired, random)) {
      if (masks) {
        const job = maskedJob(w, r, "tail", 1 - alive1 * (1 - draw.uniform()), alive1, draw);
        if (job.judged.length === masks.free(w).length)
          queue.settle({ ...job, add: (value) => void (term("tail")[w * replicates + r]! += alive1 * value) }, surprise![w]!);
        else await queue.push(job);
        if (denoise) await queue.push(maskedJob(w, r, "reconstruction", first, first, draw, (sum, logClean) => Math.log(sum) - logClean));
      } else {
        term("prior")[w * replicates + r] = (free?.[w] ?? windows[w]!).length * uniformPriorKl(graph.vocabularySize, sigma1);
        if (denoise)
          await queue.push(
            uniformJob(w, r, "reconstruction", sigma0, 1, (row, x, x0) => -Math.log(normalised(probabilities(denoise, x, row))[x0]!), draw),
          );
      }
    }
  }
  await queue.finish();
  if (masks) regress(term("integral"), gain, visible, replicates, () => span * (1 - first - span / 2));
  checkTerms(terms);
  const { calls, rows } = queue.cost();
  const cost = { calls: calls + (allMasked?.calls ?? 0), rows: rows + (allMasked?.rows ?? 0) };
  return { windows: count, replicates, samples: strata * replicates, terms, ...cost };
}

/** KL(p_{1|0}(·|x0) ‖ 1/V) of one position, a = e^{−σ}: the token has a + (1−a)/V, each other (1−a)/V. Written without cancellation for small a. */
export function uniformPriorKl(vocabularySize: number, sigma: number): number {
  const alive = Math.exp(-sigma);
  const others = vocabularySize - 1;
  const own = (1 + others * alive) / vocabularySize;
  // log((1−a)) · (1 − own) vanishes with its factor when there is one token.
  return own * Math.log1p(others * alive) + (others === 0 ? 0 : ((others * (1 - alive)) / vocabularySize) * Math.log1p(-alive));
}

/** Of n positions one, drawn evenly, for certain and the others each with the given probability; ascending. */
function maskSome(n: number, probability: number, random: Random): Int32Array {
  const certain = random.integer(n);
  return everyPosition(n).filter((i) => random.uniform() < probability || i === certain);
}
