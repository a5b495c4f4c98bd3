/**
 * Likelihood by unmasking one position at a time (absorb). The sampler that reveals positions in the order π, each token drawn with probability
 * q_y = s_y / Σ_{y≠MASK} s_y given what is revealed, writes x0 with
 *   −log p_π(x0) = Σ_i −log q(x0_{π(i)} | x0_{π(1)}, …, x0_{π(i−1)}),
 * exactly: one call of the network a position. A fixed order is an explicit sampler with an exact likelihood. Random orders are first-hitting's
 * (firsthitting.ts: an order, and the level at which each position appears); their mean over orders bounds −log of that sampler's mean law from above (Jensen).
 *
 * Where scores are `normalized` (Σh = 1, h = s (e^σ−1)) first-hitting is the continuous-time reverse process, and where σ(0) = 0 the mean over orders is exactly
 * the bound that likelihood.ts integrates. Where they are not (`score`), each position of the integral costs Σh − 1 − log Σh ≥ 0 more: the rate at which the
 * continuous-time process leaves a MASK is then not the one that the forward process implies, and its bound pays for it. `excess` is the estimate of that sum,
 * so that unmasking + excess is the bound again.
 */
import { UserError } from "../platform/errors.ts";
import { type BoundOptions, type BoundSamples, checkSamples, checkTerms, checkWindows, everyPosition } from "./bound.ts";
import { askedAtLevel } from "./firsthitting.ts";
import { maskOf } from "./graph.ts";
import { makeQueue } from "./likelihood-queue.ts";
import { masking } from "./masking.ts";
import type { Noise } from "./noise.ts";
import type { ScoreModel } from "./score.ts";

export interface UnmaskingOptions extends BoundOptions {
  /**
   * "random": `samples` orders a window, with the levels at which first-hitting reveals them. "left-to-right", or a function that gives the order of the
   * judged positions of a window (indices into them, first revealed first): one order, the network asked at the mean level k/(n+1) of k masked positions.
   */
  readonly order: "random" | "left-to-right" | ((window: number, positions: number) => ArrayLike<number>);
}

export interface UnmaskingSamples extends BoundSamples {
  /** [windows · replicates] Σ_i (Σh − 1 − log Σh) in nats: what the continuous-time process pays for unnormalised scores. */
  readonly excess: Float64Array;
}

/** −log p of each window by unmasking; a replicate is one order of every window. A single replicate (a fixed order) is an exact value. */
export async function unmaskingSamples(
  score: ScoreModel,
  noise: Noise,
  windows: readonly Int32Array[],
  options: UnmaskingOptions,
): Promise<UnmaskingSamples> {
  const { graph } = score;
  const mask = maskOf(graph, "unmasking one position at a time", '"stratified"');
  const { order, random } = options;
  const drawn = order === "random";
  const replicates = drawn ? (options.samples ?? 8) : 1;
  if (drawn) checkSamples(replicates); // one drawn order would pass for an exact value
  checkWindows(windows, graph.vocabularySize, options.free);
  const masks = masking(mask, noise, windows, options);
  const values = new Float64Array(windows.length * replicates);
  const excess = new Float64Array(windows.length * replicates);
  const steps = windows.reduce((sum, _, w) => sum + masks.free(w).length, 0);
  const queue = makeQueue(score, { ...options, total: steps * replicates });
  for (let r = 0; r < replicates; r++)
    for (const [w, x0] of windows.entries()) {
      const free = masks.free(w);
      const n = free.length;
      const marks = Float64Array.from(free, () => (drawn ? random.uniform() : 0));
      // Levels fall as positions appear: the highest mark comes first.
      const reveal = drawn ? everyPosition(n).sort((a, b) => marks[b]! - marks[a]!) : orderOf(order, w, n);
      const remaining = new Set(free);
      for (let done = 0; done < n; done++) {
        const k = n - done;
        const position = free[reveal[done]!]!;
        const level = drawn ? marks[reveal[done]!]! : k / (n + 1);
        const sigma = askedAtLevel(noise, level);
        const at = w * replicates + r;
        await queue.push({
          x: masks.copy(w, Int32Array.from(remaining)),
          x0,
          judged: Int32Array.of(position),
          sigma,
          masked(sum, logClean) {
            const mass = sum * Math.expm1(sigma);
            excess[at]! += mass - 1 - Math.log(mass);
            return Math.log(sum) - logClean;
          },
          add: (value) => void (values[at]! += value),
        });
        remaining.delete(position);
      }
    }
  await queue.finish();
  const terms = { unmasking: values };
  checkTerms(terms);
  return { windows: windows.length, replicates, samples: replicates, terms, excess, ...queue.cost() };
}

/** A fixed order, checked to be one. */
function orderOf(order: Exclude<UnmaskingOptions["order"], "random">, window: number, positions: number): Int32Array {
  if (order === "left-to-right") return everyPosition(positions);
  const given = Int32Array.from(order(window, positions));
  if (given.length !== positions || given.toSorted().some((value, i) => value !== i))
    throw new UserError(`the order of window ${window} is no order of its ${positions} positions: [${given.join(", ")}]`);
  return given;
}
