/**
 * What a sampler is to the loop in sampler.ts: a list of stages, each one evaluation of the score and one draw at every position that may move.
 * Steps of the time grid are here; first-hitting, whose clock is random, makes its own list.
 */
import { analyticLaw } from "./analytic.ts";
import { denoiseLaw } from "./denoise.ts";
import { eulerLaw } from "./euler.ts";
import type { Graph } from "./graph.ts";
import type { Law } from "./law.ts";
import type { Noise } from "./noise.ts";

/** Where the time grid ends and the final denoise begins. */
export const lastTime = 1e-5;

export interface Stage {
  /** Predictor steps done after this stage. */
  readonly step: number;
  /** Time and total noise after it. */
  readonly time: number;
  readonly sigma: number;
  readonly law: Law;
  /** The noise at which the score is asked: one number, or one a sequence. */
  readonly asked: number | Float64Array;
  /** The only positions that may move, ascending, of each sequence; all that can, if left out. */
  readonly positions?: readonly Int32Array[];
}

/** The times of K steps: linspace(1, 1e-5, K + 1). */
export const timeGrid = (steps: number): Float64Array =>
  Float64Array.from({ length: steps + 1 }, (_, k) => (k === steps ? lastTime : 1 - (k / steps) * (1 - lastTime)));

/** The law of one predictor step from time t to time s < t. */
export type Predictor = (graph: Graph, noise: Noise, t: number, s: number) => Law;

/** The predictors that walk the time grid. */
export const predictors: Readonly<Record<"analytic" | "euler", Predictor>> = {
  analytic: (graph, noise, t, s) => analyticLaw(graph, noise.sigma(t) - noise.sigma(s)),
  euler: (graph, noise, t, s) => eulerLaw(graph, noise.rate(t) * (t - s)),
};

/** K predictor steps. */
export function* gridStages(predictor: Predictor, graph: Graph, noise: Noise, steps: number): Generator<Stage> {
  const times = timeGrid(steps);
  for (let k = 0; k < steps; k++) {
    const [t, s] = [times[k]!, times[k + 1]!];
    yield { step: k + 1, time: s, sigma: noise.sigma(s), law: predictor(graph, noise, t, s), asked: noise.sigma(t) };
  }
}

/** The final denoise, which follows every sampler and is not counted as a step. */
export function finalStage(graph: Graph, noise: Noise, step: number): Stage {
  const asked = noise.sigma(lastTime);
  return { step, time: 0, sigma: 0, law: denoiseLaw(graph, asked), asked };
}
