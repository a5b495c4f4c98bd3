/**
 * Pseudo-likelihood (absorb): Σ_i −log q(x0_i | all other tokens), each position masked alone (Salazar et al. 2020). The sum of these conditionals is no likelihood
 * of the text under any law, nor a bound on one: every token is predicted from what comes after it as well. It is what a masked language model gives.
 */
import { type BoundOptions, type BoundSamples, checkSamples, checkTerms, checkWindows } from "./bound.ts";
import { askedAtLevel } from "./firsthitting.ts";
import { maskOf } from "./graph.ts";
import { makeQueue } from "./likelihood-queue.ts";
import { masking } from "./masking.ts";
import type { Noise } from "./noise.ts";
import type { ScoreModel } from "./score.ts";
import { shuffled } from "./shuffle.ts";

/**
 * Samples it: a replicate masks one evenly drawn position of every window, another one in each replicate. Without repetition the mean over R of n positions varies by
 * 1 − R/n of what independent draws would, so replicates are drawn that much together: their spread is the true error, and 0 once every position had its turn.
 */
export async function pseudoLikelihoodSamples(
  score: ScoreModel,
  noise: Noise,
  windows: readonly Int32Array[],
  options: BoundOptions,
): Promise<BoundSamples> {
  const { graph } = score;
  const mask = maskOf(graph, 'estimator "pseudo"', '"stratified"');
  const { samples: replicates = 8, random } = options;
  checkSamples(replicates);
  checkWindows(windows, graph.vocabularySize, options.free);
  const masks = masking(mask, noise, windows, options);
  const values = new Float64Array(windows.length * replicates);
  const drawn = windows.map((_, w) => Math.min(replicates, masks.free(w).length));
  const queue = makeQueue(score, { ...options, total: drawn.reduce((sum, count) => sum + count, 0) });
  for (const [w, x0] of windows.entries()) {
    const free = masks.free(w);
    const order = shuffled(free, random);
    for (let r = 0; r < drawn[w]!; r++) {
      const judged = Int32Array.of(order[r]!);
      await queue.push({
        x: masks.copy(w, judged),
        x0,
        judged,
        sigma: askedAtLevel(noise, 1 / (free.length + 1)),
        masked: (sum, logClean) => Math.log(sum) - logClean,
        add: (value) => void (values[w * replicates + r] = free.length * value),
      });
    }
  }
  await queue.finish();
  for (const [w, count] of drawn.entries()) {
    const own = values.subarray(w * replicates, (w + 1) * replicates);
    const mean = own.subarray(0, count).reduce((sum, value) => sum + value, 0) / count;
    const share = Math.sqrt(1 - count / masks.free(w).length);
    own.forEach((value, r) => (own[r] = r < count ? mean + share * (value - mean) : mean));
  }
  const terms = { pseudo: values };
  checkTerms(terms);
  return { windows: windows.length, replicates, samples: replicates, terms, ...queue.cost() };
}
