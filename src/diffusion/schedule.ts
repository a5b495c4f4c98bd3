/**
 * What a sampler is to the loop in sampler.ts: a list of stages, each one evaluation of the score and one draw at every position that may move.
 * Steps of the time grid are here; first-hitting, whose clock is random, makes its own list.
 */
import type { Random } from "../platform/random.ts";
import { analyticLaw } from "./analytic.ts";
import { denoiseLaw } from "./denoise.ts";
import { eulerLaw } from "./euler.ts";
import type { Graph } from "./graph.ts";
import { lastTime, timeGrid, type GridName } from "./grid.ts";
import type { Law } from "./law.ts";
import type { Noise } from "./noise.ts";

export interface Stage {
  readonly kind: "predict" | "correct" | "denoise";
  /** Predictor steps done after this stage. */
  readonly step: number;
  /** Time and total noise after it. */
  readonly time: number;
  readonly sigma: number;
  readonly law: Law;
  /** The noise at which the score is asked: one number, or one a sequence. */
  readonly asked: number | Float64Array;
  /** The only positions that may move, ascending, of a sequence; all holes, if left out. Asked once a stage and sequence, and may draw from its stream. */
  readonly positions?: ((sequence: number, random: Random) => Int32Array) | undefined;
  /** These positions are masked before the score is asked. */
  readonly remask?: boolean | undefined;
  /** Where masks are not the grid's to decide (first-hitting): after this stage, the holes of a sequence that are written, and the noise at its own clock. */
  readonly written?: ((sequence: number) => { readonly positions: Int32Array; readonly sigma: number }) | undefined;
}

/** The law of one predictor step from time t to time s < t. */
export type Predictor = (graph: Graph, noise: Noise, t: number, s: number) => Law;

/** The predictors that walk the time grid. */
export const predictors = {
  analytic: (graph, noise, t, s) => analyticLaw(graph, noise.sigma(t) - noise.sigma(s)),
  euler: (graph, noise, t, s) => eulerLaw(graph, noise.rate(t) * (t - s)),
} satisfies Readonly<Record<string, Predictor>>;

/** K predictor steps on a grid of times. */
export function* gridStages(predictor: Predictor, graph: Graph, noise: Noise, steps: number, grid?: GridName): Generator<Stage> {
  const times = timeGrid(steps, noise, grid);
  for (let k = 0; k < steps; k++) {
    const [t, s] = [times[k]!, times[k + 1]!];
    yield { kind: "predict", step: k + 1, time: s, sigma: noise.sigma(s), law: predictor(graph, noise, t, s), asked: noise.sigma(t) };
  }
}

/** The final denoise, which follows every sampler and is not counted as a step. */
export function finalStage(graph: Graph, noise: Noise, step: number): Stage {
  const asked = noise.sigma(lastTime);
  return { kind: "denoise", step, time: 0, sigma: 0, law: denoiseLaw(graph, asked), asked };
}
