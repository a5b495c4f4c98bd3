/**
 * BERT's masked language model (Devlin et al. 2019): of each window 15 % of the positions are chosen, evenly; of these 80 % are masked, 10 % show a token drawn
 * evenly from the vocabulary and 10 % their own; the loss is the mean cross-entropy over the chosen ones. It is no bound on a likelihood.
 */
import { shuffled } from "../diffusion/shuffle.ts";
import type { DDiTConfig } from "../network/ddit.ts";
import type { Random } from "../platform/random.ts";
import { crossEntropyObjective, type Question } from "./cross-entropy.ts";
import type { BatchShape, Objective } from "./objective.ts";

const CHOSEN = 0.15;
const MASKED = 0.8;
const REDRAWN = 0.1;

/** A mean over chosen positions: a sum over all positions whose weights are all / chosen, so that its quotient by the tokens is that mean. */
export const maskedLanguageModel = (network: DDiTConfig): Objective =>
  crossEntropyObjective(network, "masked cross-entropy", (tokens, shape, random) => maskAsBert(tokens, shape, random, network.states - 1));

function maskAsBert(tokens: Int32Array, { batch, length }: BatchShape, random: Random, mask: number): Question {
  const input = tokens.slice();
  const weights = new Float64Array(tokens.length);
  const chosen = Math.max(1, Math.round(CHOSEN * length));
  for (let r = 0; r < batch; r++) {
    const window = Int32Array.from({ length }, (_, i) => r * length + i);
    for (const at of shuffled(window, random).subarray(0, chosen)) {
      weights[at] = length / chosen;
      const u = random.uniform();
      if (u < MASKED) input[at] = mask;
      else if (u < MASKED + REDRAWN) input[at] = random.integer(mask);
    }
  }
  return { input, weights, count: batch * chosen };
}
