/**
 * First-hitting sampler (absorb): the reverse process simulated event by event instead of on a time grid. With n positions masked at mask level
 * m = 1 − e^{−σ}, each is unmasked at a level uniform on (0, m), so the next event is at
 *   m' = m · u^{1/n},   at a uniformly chosen masked position,   where token y appears with probability s_y / Σ_{y≠MASK} s_y.
 * It starts at m = 1; above σ(1) the score is asked at σ(1), as the likelihood bound's tail does. One call per event is exact where Σ s_y has its known value
 * 1/(e^σ−1) (`normalized` scores, exact scores). Approximations: raw scores, and several events per call (all but the first see a state that is too old).
 * Zheng et al. 2024, "Masked diffusion models are secretly time-agnostic masked models".
 */
import type { Random } from "../platform/random.ts";
import { denoiseLaw } from "./denoise.ts";
import { maskOf, type Graph } from "./graph.ts";
import { lastTime } from "./grid.ts";
import type { Law } from "./law.ts";
import type { Noise } from "./noise.ts";
import type { Stage } from "./schedule.ts";
import { shuffled } from "./shuffle.ts";

/** The law of an event: y ∝ s_y at a MASK. (The final denoise's, whose scale does not matter.) */
export const eventLaw = (graph: Graph): Law => denoiseLaw(graph, Math.LN2);

/** The noise at which a score is asked at mask level m = 1 − e^{−σ}: outside the times a model is trained and sampled at, that of the nearest one. */
export const askedAtLevel = (noise: Noise, level: number): number =>
  Math.min(noise.sigma(1), Math.max(noise.sigma(lastTime), -Math.log1p(-level)));

/**
 * The stages of a batch of sequences with the same holes, drawn beforehand: when each hole is filled does not depend on what it is filled with.
 *
 * @param holes positions to fill, in each sequence
 * @param randoms one stream per sequence
 * @param calls at most this many stages; the events are spread over them evenly
 */
export function firstHittingStages(
  graph: Graph,
  noise: Noise,
  holes: Int32Array,
  randoms: readonly Random[],
  calls = holes.length,
): Stage[] {
  maskOf(graph, 'sampler "first-hitting"', "analytic or euler");
  const events = holes.length;
  const order = randoms.map((random) => shuffled(holes, random));
  const levels = randoms.map((random) => {
    let level = 1;
    return Float64Array.from({ length: events }, (_, k) => (level *= (1 - random.uniform()) ** (1 / (events - k))));
  });
  const askedAt = (level: number) => askedAtLevel(noise, level);
  const stages = Math.min(calls, events);
  const law = eventLaw(graph);
  return Array.from({ length: stages }, (_, k): Stage => {
    const [from, to] = [Math.floor((k * events) / stages), Math.floor(((k + 1) * events) / stages)];
    const sigma = askedAt(levels[0]![to - 1]!);
    return {
      kind: "predict",
      step: k + 1,
      time: Math.min(1, noise.time(sigma)), // of σ(1) rounding makes a hair more
      sigma,
      law,
      asked: Float64Array.from(levels, (row) => askedAt(row[from]!)),
      positions: (r) => order[r]!.slice(from, to).sort(),
      written: (r) => ({ positions: order[r]!.slice(0, to), sigma: askedAt(levels[r]![to - 1]!) }),
    };
  });
}
