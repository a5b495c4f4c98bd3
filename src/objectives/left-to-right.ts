/**
 * Left to right: each token from those before it in its window, by a causal network. What stands before the first one is the state V, which the absorbing graph has
 * for MASK. The loss is −log p of the windows, exactly.
 */
import type { DDiTConfig } from "../network/ddit.ts";
import { shiftedRight } from "../network/states-network.ts";
import { crossEntropyObjective } from "./cross-entropy.ts";
import type { Objective } from "./objective.ts";

export const leftToRight = (network: DDiTConfig): Objective =>
  crossEntropyObjective(network, "exact", (tokens, { length }) => ({
    input: shiftedRight(tokens, length, network.states - 1),
    weights: new Float64Array(tokens.length).fill(1),
  }));
