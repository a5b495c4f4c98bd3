/**
 * Left to right: each token from those before it in its window, by a causal network. What stands before the first one is the state V, which the absorbing graph has
 * for MASK. The loss is −log p of the windows, exactly.
 */
import type { DDiTConfig } from "../network/ddit.ts";
import { crossEntropyObjective } from "./cross-entropy.ts";
import type { Objective } from "./objective.ts";

export const leftToRight = (network: DDiTConfig): Objective =>
  crossEntropyObjective(network, "exact", (tokens, { length }) => ({
    input: shiftedRight(tokens, length, network.states - 1),
    weights: new Float64Array(tokens.length).fill(1),
  }));

/** What a causal network reads, so that at position i it tells token i: in each row of `length`, `begin` and then all tokens but the last. */
export const shiftedRight = (tokens: Int32Array, length: number, begin: number): Int32Array =>
  tokens.map((_, i) => (i % length === 0 ? begin : tokens[i - 1]!));
