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

/** Samples it: a replicate masks one evenly drawn position of every window, another one in each replicate as long as there are any. */
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
  const queue = makeQueue(score, { ...options, total: windows.length * replicates });
  for (const [w, x0] of windows.entries()) {
    const free = masks.free(w);
    const order = shuffled(free, random);
    for (let r = 0; r < replicates; r++) {
      const judged = Int32Array.of(order[r % order.length]!);
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
  const terms = { pseudo: values };
  checkTerms(terms);
  return { windows: windows.length, replicates, samples: replicates, terms, ...queue.cost() };
}
