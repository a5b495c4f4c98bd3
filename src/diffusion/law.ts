/**
 * What one sampler step does at one position, as three coefficients, and the exact draw from it. Every predictor here is of the form
 *   p(y) = max(0, gain · s_y − drain · (1 + Σ))  for y ≠ x,     p(x) = max(0, stay(Σ)),     Σ = Σ_{y≠x} s_y,
 * renormalised. A law is the same at every position that can move (graph.pull), so a step is one law and many draws.
 */
import type { Random } from "../platform/random.ts";
import { depart, type Departures } from "./departures.ts";
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

/** What becomes of the targets of a draw beyond the law itself. */
export interface Targets {
  /** [states], 1 at the tokens that may be drawn (constraints.ts has the law). */
  readonly allowed?: Uint8Array | undefined;
  readonly departures?: Departures | undefined;
}

/**
 * Second stage: the new state of a position that {@link mayLeave}, by inverse distribution function in float64 over weights scaled by the largest, so that
 * neither tiny nor huge scores are lost.
 *
 * @param row log-scores, [S] from `offset` on
 * @returns the state (x itself where the drain or a constraint left too little to move, −1 where every weight is zero), the probability of drawing it
 *   (of no meaning where the state is x or −1), and how many weights were cut at 0
 */
export function drawTarget(
  law: Law,
  x: number,
  row: ArrayLike<number>,
  offset: number,
  u: number,
  sum: number,
  random: Random,
  { allowed, departures }: Targets = {},
): { state: number; probability: number; cut: number } {
  const { states, mask } = law.graph;
  const possible = (y: number): boolean => y !== x && (!allowed || allowed[y] === 1);
  let top = -Infinity;
  for (let y = 0; y < states; y++) if (row[offset + y]! > top && possible(y)) top = row[offset + y]!;
  // Weights in units of gain · e^top.
  const floor = law.drain === 0 ? 0 : Math.exp(Math.log((law.drain / law.gain) * (1 + sum)) - top);
  const weights = new Float64Array(states);
  let total = 0;
  let cut = 0;
  for (let y = 0; y < states; y++) {
    if (!possible(y)) continue;
    const weight = Math.exp(row[offset + y]! - top) - floor;
    if (weight > 0) total += weights[y] = weight;
    else if (weight < 0) cut++;
  }
  const staying = law.leaves ? 0 : Math.max(0, law.stay(sum));
  let moves = law.leaves ? 1 : (law.gain * sum) / (law.gain * sum + staying);
  if (law.drain > 0 || (allowed && mask === undefined)) {
    const stays = staying / (law.gain * Math.exp(top));
    if (!(u * (total + stays) < total)) return { state: x, probability: NaN, cut };
    moves = total / (total + stays);
  }
  if (departures) total = depart(weights, departures);
  if (!(total > 0)) return { state: -1, probability: NaN, cut };
  const aim = random.uniform() * total;
  let reached = 0;
  let last = x;
  for (let y = 0; y < states; y++) {
    if (!(weights[y]! > 0)) continue;
    reached += weights[y]!;
    last = y;
    if (aim < reached) break;
  }
  return { state: last, probability: (moves * weights[last]!) / total, cut };
}
