/**
 * What one sampler step does at one position, as three coefficients, and the exact draw from it. Every predictor here is of the form
 *   p(y) = max(0, gain · s_y − drain · (1 + Σ))  for y ≠ x,     p(x) = max(0, stay(Σ)),     Σ = Σ_{y≠x} s_y,
 * renormalised. A law is the same at every position that can move (graph.pull), so a step is one law and many draws.
 */
import type { Random } from "../platform/random.ts";
import type { Graph } from "./graph.ts";

export interface Law {
  readonly graph: Graph;
  readonly gain: number;
  readonly drain: number;
  /** The weight of staying, before it is cut at 0. */
  stay(sum: number): number;
  /** Staying is excluded: the final denoise at a MASK. Then Σ is not needed. */
  readonly leaves: boolean;
}

/**
 * The raw weights of a step at a position, [S]: neither normalised nor cut at 0. Where the reverse process cannot leave x, all weight is at x.
 *
 * @param logScore [S]; the entry at x is ignored
 */
export function probabilities(law: Law, x: number, logScore: ArrayLike<number>): Float64Array {
  const { states } = law.graph;
  const out = new Float64Array(states);
  if (law.graph.limit(x) === 0) {
    out[x] = 1;
    return out;
  }
  let sum = 0;
  for (let y = 0; y < states; y++) if (y !== x) sum += Math.exp(logScore[y]!);
  for (let y = 0; y < states; y++) out[y] = y === x ? law.stay(sum) : law.gain * Math.exp(logScore[y]!) - law.drain * (1 + sum);
  return out;
}

/** Weights cut at 0 and divided by their sum: the law that is drawn from. */
export function normalised(weights: Float64Array): Float64Array {
  const cut = weights.map((weight) => Math.max(0, weight));
  const total = cut.reduce((sum, weight) => sum + weight, 0);
  return cut.map((weight) => weight / total);
}

/**
 * First stage of a draw: may the position move? Decided by one uniform number u and Σ alone where drain = 0; else "perhaps", settled by {@link drawTarget}
 * (its weights only shrink by the drain, so a "no" is final and most positions need no row).
 */
export const mayLeave = (law: Law, u: number, sum: number): boolean => {
  if (law.leaves) return true;
  const most = law.gain * sum;
  return u * (most + Math.max(0, law.stay(sum))) < most;
};

/**
 * Second stage: the new state of a position that {@link mayLeave}, by inverse distribution function in float64 over weights scaled by the largest, so that
 * neither tiny nor huge scores are lost.
 *
 * @param row log-scores, [S] from `offset` on
 * @returns the state (x itself where the drain left too little to move, −1 where every weight is zero), and how many weights were cut at 0
 */
export function drawTarget(
  law: Law,
  x: number,
  row: ArrayLike<number>,
  offset: number,
  u: number,
  sum: number,
  random: Random,
): { state: number; cut: number } {
  const { states } = law.graph;
  let top = -Infinity;
  for (let y = 0; y < states; y++) if (y !== x && row[offset + y]! > top) top = row[offset + y]!;
  // Weights in units of gain · e^top.
  const floor = law.drain === 0 ? 0 : Math.exp(Math.log((law.drain / law.gain) * (1 + sum)) - top);
  const weight = (y: number) => Math.exp(row[offset + y]! - top) - floor;
  let total = 0;
  let cut = 0;
  for (let y = 0; y < states; y++) {
    if (y === x) continue;
    const w = weight(y);
    if (w > 0) total += w;
    else if (w < 0) cut++;
  }
  if (law.drain > 0) {
    const staying = Math.max(0, law.stay(sum)) / (law.gain * Math.exp(top));
    if (!(u * (total + staying) < total)) return { state: x, cut };
  }
  if (!(total > 0)) return { state: -1, cut };
  const aim = random.uniform() * total;
  let reached = 0;
  let last = x;
  for (let y = 0; y < states; y++) {
    if (y === x) continue;
    const w = weight(y);
    if (!(w > 0)) continue;
    reached += w;
    last = y;
    if (aim < reached) break;
  }
  return { state: last, cut };
}
