/**
 * Left-to-right sampler (absorb): the leftmost MASK is written first, one a call, token y with probability s_y / Σ_{y≠MASK} s_y given all that stands there. With k of
 * n holes open the score is asked at the mean level k/(n+1), as the likelihood of that name does (unmasking.ts), which is exact for this sampler.
 * Several tokens a call are an approximation: each is drawn as if the others of the call were not there. A corrector masks one of the written tokens again, and so asks
 * where one hole more is open.
 */
import { askedAtLevel, eventLaw } from "./firsthitting.ts";
import { maskOf, type Graph } from "./graph.ts";
import type { Noise } from "./noise.ts";
import type { Stage } from "./schedule.ts";

/**
 * The stages of sequences with the same holes.
 *
 * @param holes positions to fill, ascending, in each sequence
 * @param calls at most this many stages; the holes are spread over them evenly
 */
export function leftToRightStages(graph: Graph, noise: Noise, holes: Int32Array, calls = holes.length): Stage[] {
  maskOf(graph, 'sampler "left-to-right"', "analytic or euler");
  const { length } = holes;
  const stages = Math.min(calls, length);
  const law = eventLaw(graph);
  const askedAt = (written: number) => askedAtLevel(noise, (length - written) / (length + 1));
  return Array.from({ length: stages }, (_, k): Stage => {
    const [from, to] = [Math.floor((k * length) / stages), Math.floor(((k + 1) * length) / stages)];
    const sigma = askedAt(to);
    return {
      kind: "predict",
      step: k + 1,
      time: Math.min(1, noise.time(sigma)),
      sigma,
      law,
      asked: askedAt(from),
      positions: () => holes.subarray(from, to),
      written: () => ({ positions: holes.subarray(0, to), sigma: askedAt(to - 1) }),
    };
  });
}
