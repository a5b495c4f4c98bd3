/**
 * The likelihood bound under absorb by the number of masked positions instead of the time. With n positions and mask level m uniform on (0, 1),
 *   ∫_0^1 Σ_i E[X_i | i masked] dm = Σ_{k=1}^n E[ (1/k) Σ_{i∈M} X_i ],   M an evenly drawn set of exactly k positions,   m | k ~ Beta(k, n−k+1),
 * because ∫ C(n,k) m^{k−1}(1−m)^{n−k} k dm = 1: every k weighs the same. X = Σh − log h_{x0} − 1; where scores are normalised and know no time it is the
 * cross-entropy of the masked tokens, and m need not be drawn. Here it is, for networks are told the noise: n uniform numbers, one a position, are drawn;
 * the k smallest are masked, and m is the k-th. Levels above 1 − e^{−σ(1)} are the bound's tail (the score held at σ(1)); noise that begins at σ(0) > 0 has its
 * reconstruction term here, too. Ou et al. 2024, "Your absorbing discrete diffusion secretly models the conditional distributions of clean data", equation (k-form).
 *
 * k is stratified over windows and samples; the control variate and the regression are those of likelihood.ts.
 */
import { type BoundOptions, type BoundSamples, type BoundTerm, checkSamples, checkTerms, checkWindows, everyPosition } from "./bound.ts";
import { maskOf } from "./graph.ts";
import { makeQueue } from "./likelihood-queue.ts";
import { excessWhenAllMasked, masking } from "./masking.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess } from "./score-entropy.ts";
import type { ScoreModel } from "./score.ts";
import { eachSample, eachWindow, regress, replication } from "./strata.ts";

/** Samples the bound of each window, absorb only; options and result as of `boundSamples`. */
export async function exactKSamples(
  score: ScoreModel,
  noise: Noise,
  windows: readonly Int32Array[],
  options: BoundOptions,
): Promise<BoundSamples> {
  const { graph } = score;
  const mask = maskOf(graph, 'estimator "exact-k"', '"stratified"');
  const { samples: wanted = 8, random, paired = false } = options;
  checkSamples(wanted);
  checkWindows(windows, graph.vocabularySize, options.free);
  const count = windows.length;
  const { replicates, strata } = replication(wanted, paired ? 1 : count);
  const masks = masking(mask, noise, windows, options);
  const [sigma0, sigma1] = [noise.sigma(0), noise.sigma(1)];
  const [first, last] = [-Math.expm1(-sigma0), -Math.expm1(-sigma1)];
  const terms: Partial<Record<BoundTerm, Float64Array>> = {};
  const add = (name: BoundTerm, w: number, r: number, value: number) =>
    void ((terms[name] ??= new Float64Array(count * replicates))[w * replicates + r]! += value);
  const queue = makeQueue(score, { ...options, total: count * replicates * (strata + (first > 0 ? 1 : 0)) });
  const allMasked = await excessWhenAllMasked(score, masks, windows, sigma1, options);
  const surprise = allMasked.values.map((values) => values.reduce((a, b) => a + b, 0));
  // What context takes off (negative), and how much of it there is.
  const [gain, visible] = [new Float64Array(count * replicates), new Float64Array(count * replicates)];

  for (let r = 0; r < replicates; r++) {
    for (const { w, place, draw } of eachSample(count, strata, paired, random)) {
      const free = masks.free(w);
      const n = free.length;
      const k = 1 + Math.min(n - 1, Math.ceil(n * place) - 1);
      const marks = Float64Array.from(free, () => draw.uniform());
      const which = everyPosition(n)
        .sort((a, b) => marks[a]! - marks[b]!)
        .subarray(0, k);
      const level = marks[which[k - 1]!]!;
      const judged = which.map((i) => free[i]!).sort();
      const sigma = masks.asked(level);
      const known = Number.isFinite(surprise[w]!);
      const control = known ? which.reduce((sum, i) => sum + allMasked.values[w]![i]!, 0) : 0;
      // Below σ(0) there is no process: the reconstruction has those positions.
      const inside = level >= first ? 1 : 0;
      const name = level > last ? "tail" : "integral";
      const job = {
        x: masks.copy(w, judged),
        x0: windows[w]!,
        judged,
        sigma,
        masked: (sum: number, logClean: number) => maskedExcess(sum, logClean, sigma),
        add: (value: number) => {
          const share = (inside * value - control) * (n / k / strata);
          add(name, w, r, share);
          gain[w * replicates + r]! += share;
          visible[w * replicates + r]! += (1 - k / n) / strata;
          if (!known) return;
          // The control variate's mean, of each term what its levels have of it; those below σ(0), which lack `value`, are the integral's.
          add("integral", w, r, (last * surprise[w]!) / strata);
          add("tail", w, r, ((1 - last) * surprise[w]!) / strata);
        },
      };
      if (inside) await queue.push(job);
      else queue.settle(job, 0);
    }
    if (first > 0)
      for (const { w, draw } of eachWindow(count, paired, random)) {
        const free = masks.free(w);
        // Each position is masked with probability `first`; the values of those that are add up.
        const judged = free.filter(() => draw.uniform() < first);
        const masked = (sum: number, logClean: number) => Math.log(sum) - logClean;
        const job = {
          x: masks.copy(w, judged),
          x0: windows[w]!,
          judged,
          sigma: sigma0,
          masked,
          add: (value: number) => add("reconstruction", w, r, value),
        };
        if (judged.length > 0) await queue.push(job);
        else queue.settle(job, 0);
      }
  }
  await queue.finish();
  // The mean of 1 − k/n over k = 1 … n.
  if (terms.integral) regress(terms.integral, gain, visible, replicates, (w) => (1 - 1 / masks.free(w).length) / 2);
  checkTerms(terms);
  const { calls, rows } = queue.cost();
  return { windows: count, replicates, samples: strata * replicates, terms, calls: calls + allMasked.calls, rows: rows + allMasked.rows };
}
