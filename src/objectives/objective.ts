/**
 * What a model was trained for. An objective corrupts a batch and returns a traced sum; training knows nothing else of it.
 */
import { gradient, inputsOf, trace, type Feeds, type Layout, type Program, type Spec, type Tensor } from "../tensor/index.ts";
import type { Random } from "../platform/random.ts";

/** Score entropy (or its ℓ2 rival), BERT's masked language model, any-order autoregressive diffusion, left to right. */
export const objectiveKinds = ["sedd", "mlm", "ardm", "ar"] as const;
export type ObjectiveKind = (typeof objectiveKinds)[number];

/** A corrupted batch: what the loss program reads beside the parameters. */
export interface Corruption {
  readonly feeds: Feeds;
  /** How many rows of the head the loss program needs to have: it is compiled for this number. */
  readonly capacity: number;
}

export interface BatchShape {
  readonly batch: number;
  readonly length: number;
}

export interface Objective {
  readonly layout: Layout;
  /** What the validation number is: of −log p a bound or the exact value, or what is none of it. */
  readonly measure: "bound" | "exact" | "masked cross-entropy";
  /** Fresh parameters. */
  initialize(random: Random): Float32Array;
  /** Whether Muon may orthogonalise the parameter. */
  isHiddenMatrix(name: string): boolean;
  /**
   * Corrupts `tokens` [batch·length]. All of its randomness comes from `random`.
   * @param training draws dropout masks where the objective has dropout
   * @param offset where in their strata the times lie, in [0, 1), for a step of several batches; left out, it is drawn
   */
  corrupt(tokens: Int32Array, shape: BatchShape, random: Random, training: boolean, offset?: number): Corruption;
  /** The inputs of the loss beside the parameters. */
  lossInputs(shape: BatchShape, capacity: number, training: boolean): Record<string, Spec>;
  /** Σ of the loss over the batch, in nats: traced. */
  loss(parameters: Readonly<Record<string, Tensor>>, inputs: Readonly<Record<string, Tensor>>): Tensor;
}

export const PARAMETER = "parameter:";
export const GRADIENT = "gradient:";

/** The program that training compiles: the summed loss as `sum` and, if asked, its gradient for every parameter as `gradient:NAME`. */
export function lossProgram(
  objective: Objective,
  shape: BatchShape,
  capacity: number,
  options: { training: boolean; gradients: boolean },
): Program {
  const { views } = objective.layout;
  const parameterInputs = inputsOf(views, PARAMETER);
  return trace({ ...parameterInputs, ...objective.lossInputs(shape, capacity, options.training) }, (inputs: Record<string, Tensor>) => {
    const parameters = Object.fromEntries(views.map(({ name }) => [name, inputs[PARAMETER + name]!]));
    const sum = objective.loss(parameters, inputs);
    if (!options.gradients) return { sum };
    const gradients = gradient(
      sum,
      views.map(({ name }) => parameters[name]!),
    );
    return { sum, ...Object.fromEntries(views.map(({ name }, i) => [GRADIENT + name, gradients[i]!])) };
  });
}
