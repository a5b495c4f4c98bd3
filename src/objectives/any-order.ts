/**
 * Order-agnostic autoregressive diffusion (ARDM: Hoogeboom et al. 2022, equation 4 and algorithm 2). A random order σ of the D positions writes them one by one;
 * the bound on −log p is its mean over orders, estimated at one step t of the D, drawn evenly, where the positions from σ(t) on are masked:
 *   −log p(x) ≤ E_t E_σ  D/(D−t+1) Σ_{k ∈ σ(≥t)} −log p(x_k | x_σ(<t)).
 * The network is told neither σ nor t. With k = D−t+1 masks this is the exact-k form of the absorbing process's bound (diffusion/exact-k.ts): read as a score,
 * which `normalized` does, a trained network has that process's samplers and estimators.
 */
import { everyPosition } from "../diffusion/bound.ts";
import { shuffled } from "../diffusion/shuffle.ts";
import type { DDiTConfig } from "../network/ddit.ts";
import type { Random } from "../platform/random.ts";
import { crossEntropyObjective, type Question } from "./cross-entropy.ts";
import type { BatchShape, Objective } from "./objective.ts";

/** Its loss is an estimate of the bound, in training as in validation. The number of masks is stratified over the batch. */
export const anyOrder = (network: DDiTConfig): Objective =>
  crossEntropyObjective(network, "bound", (tokens, shape, random, offset) =>
    maskSuffixOfOrder(tokens, shape, random, network.states - 1, offset),
  );

function maskSuffixOfOrder(
  tokens: Int32Array,
  { batch, length }: BatchShape,
  random: Random,
  mask: number,
  u = random.uniform(),
): Question {
  const input = tokens.slice();
  const weights = new Float64Array(tokens.length);
  // Which window gets which stratum is drawn: validation's windows stand in the order of the text, with whose places the noise must not go.
  const strata = shuffled(everyPosition(batch), random);
  for (let r = 0; r < batch; r++) {
    const masked = 1 + Math.floor((length * (strata[r]! + u)) / batch);
    const window = Int32Array.from({ length }, (_, i) => r * length + i);
    for (const at of shuffled(window, random).subarray(0, masked)) {
      input[at] = mask;
      weights[at] = length / masked;
    }
  }
  return { input, weights };
}
