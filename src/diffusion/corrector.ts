/**
 * Corrector: between two predictor steps it draws tokens that are already written once more, without changing the law p_σ that the step has reached. One position i,
 * chosen evenly among the holes, is redrawn from its law given all the others (a Gibbs move),
 *   p_σ(x_i = y | the rest) = s_y / (1 + Σ)   for y ≠ x,     p_σ(x_i = x | the rest) = 1 / (1 + Σ),     Σ = Σ_{y≠x} s_y,
 * which leaves p_σ as it is for every σ (s at the exact score). Absorb: x = MASK, so the position is masked first and comes back as MASK with 1/(1+Σ) = 1 − e^{−σ}, or as a
 * token; uniform: x is the token that stands there. With what is given clamped it leaves p_σ(holes | given) as it is.
 *
 * Under first-hitting the masks are those of the events so far; among the written holes one is masked and redrawn as a token, y ∝ s_y, which leaves the law given the
 * places of the masks as it is.
 *
 * Exact for one position a call; `calls` repeats it. Several positions a call are drawn independently of each other: an approximation, like a predictor step's.
 */
import { UserError } from "../platform/errors.ts";
import type { Random } from "../platform/random.ts";
import { eventLaw } from "./firsthitting.ts";
import type { Graph } from "./graph.ts";
import type { Law } from "./law.ts";
import type { Noise } from "./noise.ts";
import type { Stage } from "./schedule.ts";

export interface CorrectorOptions {
  /** Positions redrawn in a call, default 1: exact. More are an approximation. */
  readonly positions?: number | undefined;
  /** Calls after each predictor step, default 1. */
  readonly calls?: number | undefined;
  /** Only at times up to this one, default 1: always. */
  readonly from?: number | undefined;
}

/** The law of a Gibbs move at one position: y with s_y, x with 1. */
export const gibbsLaw = (graph: Graph): Law => ({ graph, gain: 1, drain: 0, stay: () => 1, leaves: false });

/** @throws UserError for a value that means nothing */
export function checkCorrector({ positions = 1, calls = 1, from = 1 }: CorrectorOptions): void {
  for (const [name, value] of Object.entries({ positions, calls }))
    if (!(Number.isSafeInteger(value) && value >= 1))
      throw new UserError(`corrector.${name} must be a whole number of at least 1, got ${value}`);
  if (!(from > 0 && from <= 1)) throw new UserError(`corrector.from must be a time above 0 and at most 1, got ${from}`);
}

/** The corrector's stages after a predictor's `stage`. */
export function correctorStages(
  stage: Stage,
  graph: Graph,
  noise: Noise,
  holes: Int32Array,
  options: CorrectorOptions,
  count: number,
): Stage[] {
  const { positions = 1, calls = 1, from = 1 } = options;
  const { step, time, sigma, written } = stage;
  if (!written && time > from) return [];
  const clock = written && Float64Array.from({ length: count }, (_, r) => written(r).sigma);
  const chosen = (r: number, random: Random): Int32Array => {
    if (clock && from < 1 && noise.time(clock[r]!) > from) return new Int32Array(0);
    return someOf(written?.(r).positions ?? holes, positions, random);
  };
  const correct: Stage = {
    kind: "correct",
    step,
    time,
    sigma,
    law: written ? eventLaw(graph) : gibbsLaw(graph),
    asked: clock ?? sigma,
    positions: chosen,
    remask: graph.mask !== undefined,
  };
  return Array.from({ length: calls }, () => correct);
}

/** `n` of the values (all, if there are fewer), every choice alike, ascending. */
function someOf(values: Int32Array, n: number, random: Random): Int32Array {
  const pool = values.slice();
  const size = Math.min(n, pool.length);
  for (let k = 0; k < size; k++) {
    const j = k + random.integer(pool.length - k);
    [pool[k], pool[j]] = [pool[j]!, pool[k]!];
  }
  return pool.subarray(0, size).sort();
}
