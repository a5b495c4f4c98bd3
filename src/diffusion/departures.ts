/**
 * Temperature, top-k and top-p: deliberate departures from the law of the model, named as such in what they produce. They change where a position goes, given that it
 * moves, and nothing else: with target weights w_y, y ≠ x (MASK is never among them),
 *   temperature τ   w_y ← w_y^{1/τ}
 *   top-k           only the k largest weights
 *   top-p           only the largest weights, as few as together have a share of at least p
 * in this order. The probability of moving at all stays the law's. Between equal weights the smaller token id comes first.
 */
import { UserError } from "../platform/errors.ts";

export interface Departures {
  /** τ > 0; below 1 sharper, above 1 flatter. */
  readonly temperature?: number | undefined;
  /** k ≥ 1, a whole number. */
  readonly topK?: number | undefined;
  /** p, 0 < p ≤ 1. */
  readonly topP?: number | undefined;
}

/**
 * Those of `options` that change anything over V tokens, or undefined where none does: temperature 1, top-p 1 and a top-k of V or more are the law itself.
 *
 * @throws UserError for a value that means nothing
 */
export function departuresOf({ temperature, topK, topP }: Departures, vocabularySize: number): Departures | undefined {
  if (temperature !== undefined && !(temperature > 0 && temperature < Infinity))
    throw new UserError(`temperature must be a number above 0, got ${temperature}; 1 is the model's own law, 0.8 is sharper`);
  if (topK !== undefined && !(Number.isSafeInteger(topK) && topK >= 1))
    throw new UserError(`topK must be a whole number of at least 1, got ${topK}`);
  if (topP !== undefined && !(topP > 0 && topP <= 1)) throw new UserError(`topP must be above 0 and at most 1, got ${topP}`);
  const departures = {
    ...(temperature === undefined || temperature === 1 ? {} : { temperature }),
    ...(topK === undefined || topK >= vocabularySize ? {} : { topK }),
    ...(topP === undefined || topP === 1 ? {} : { topP }),
  };
  return Object.keys(departures).length > 0 ? departures : undefined;
}

/** Applies departures to target weights (≥ 0, of any scale) in place; returns their new sum. */
export function depart(weights: Float64Array, { temperature, topK, topP }: Departures): number {
  if (temperature !== undefined) {
    // Relative to the largest, so that no power overflows and the largest never underflows.
    const top = weights.reduce((most, weight) => Math.max(most, weight), 0);
    const power = Math.min(1 / temperature, Number.MAX_VALUE); // 1 to an infinite power is no number
    if (top > 0) for (let y = 0; y < weights.length; y++) weights[y] = (weights[y]! / top) ** power;
  }
  if (topK !== undefined) keepLargest(weights, (rank) => rank >= topK);
  if (topP !== undefined) {
    const aim = topP * sumOf(weights);
    keepLargest(weights, (_, before) => before >= aim);
  }
  return sumOf(weights);
}

const sumOf = (weights: Float64Array): number => weights.reduce((sum, weight) => sum + weight, 0);

/** Sets to 0 all weights from the first one on, in falling order, at which `full` holds: of its rank (from 0) and the sum of those before it. */
function keepLargest(weights: Float64Array, full: (rank: number, before: number) => boolean): void {
  const sorted = weights.slice().sort().reverse();
  let kept = 0;
  for (let sum = 0; kept < sorted.length && !full(kept, sum); kept++) sum += sorted[kept]!;
  if (kept === sorted.length) return;
  const border = sorted[kept - 1]!;
  let ties = sorted.subarray(0, kept).reduce((count, weight) => count + Number(weight === border), 0);
  for (let y = 0; y < weights.length; y++) if (weights[y]! < border || (weights[y] === border && ties-- <= 0)) weights[y] = 0;
}
