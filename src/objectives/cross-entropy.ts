/**
 * What the objectives without σ have in common: a network that is told no noise reads some input, and the loss is a weighted sum of −log p(token) over chosen
 * positions, p being the softmax over the V tokens. Which input, positions and weights, is all that distinguishes them.
 */
import { maskedScoreEntropyTraced } from "../diffusion/score-entropy-traced.ts";
import { dditHead, dditParameters, dditTrunk, initializeDDiT, isHiddenMatrix, type DDiTConfig } from "../network/ddit.ts";
import type { Random } from "../platform/random.ts";
import { Layout } from "../tensor/index.ts";
import { chosenRows } from "./chosen-rows.ts";
import { dropoutFeeds, dropoutInputs } from "./dropout.ts";
import type { BatchShape, Objective } from "./objective.ts";

/** What the network is asked. */
export interface Question {
  /** [batch·length] states. */
  readonly input: Int32Array;
  /** [batch·length] what the −log p(token) of a position counts; 0: it is not read. */
  readonly weights: Float64Array;
  /** How many positions are read, where it is the same for every batch. */
  readonly count?: number;
}

/** @param choose draws the question of a batch of clean tokens; `offset` as for {@link Objective.corrupt} */
export function crossEntropyObjective(
  network: DDiTConfig,
  measure: Objective["measure"],
  choose: (tokens: Int32Array, shape: BatchShape, random: Random, offset?: number) => Question,
): Objective {
  return {
    layout: new Layout(dditParameters(network)),
    measure,
    initialize: (random) => initializeDDiT(network, random),
    isHiddenMatrix,
    corrupt(tokens, shape, random, training, offset) {
      const { input, weights, count } = choose(tokens, shape, random, offset);
      const positions = [...weights.keys()].filter((i) => weights[i] !== 0);
      const { capacity, feeds } = chosenRows(tokens, positions, shape, count);
      const weight = new Float32Array(capacity);
      positions.forEach((position, i) => (weight[i] = weights[position]!));
      return { feeds: { tokens: input, ...feeds, weight, ...dropoutFeeds(network, shape, random, training) }, capacity };
    },
    lossInputs(shape, capacity, training) {
      const { batch, length } = shape;
      const indices = { dtype: "int32", shape: [capacity] } as const;
      return {
        tokens: { dtype: "int32", shape: [batch, length] },
        rows: indices,
        inverse: { dtype: "int32", shape: [batch * length] },
        clean: indices,
        weight: { dtype: "float32", shape: [capacity] },
        ...dropoutInputs(network, shape, training),
      };
    },
    loss(parameters, { tokens, rows, inverse, clean, weight, keep }) {
      const selection = { rows: rows!, inverse: inverse! };
      const { output } = dditTrunk(parameters, network, { tokens: tokens!, selection, ...(keep ? { keep } : {}) });
      const logits = dditHead(parameters, output, network.states - 1);
      // The `normalized` score entropy with weights for σ' r.
      return maskedScoreEntropyTraced("normalized", logits, clean!, { pull: weight!, shift: weight!, rest: weight! });
    },
  };
}
