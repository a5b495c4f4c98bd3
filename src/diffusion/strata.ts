/** Stratified uniform numbers in independent replicates, and a regression among these: what keeps the likelihood estimators' variance low, and their error honest. */
import { random as randomOf, type Random } from "../platform/random.ts";
import { everyPosition } from "./bound.ts";
import { shuffled } from "./shuffle.ts";

/** Enough replicates for a standard error, and within each enough points for stratification to pay. */
export function replication(samples: number, windows: number): { replicates: number; strata: number } {
  const replicates = Math.min(samples, Math.max(4, Math.min(16, Math.floor((samples * windows) / 8))));
  return { replicates, strata: Math.ceil(samples / replicates) };
}

/**
 * One number in each of n equal cells of (0, 1], every one uniform in its cell; in neighbouring cells they mirror each other, so that what is linear in
 * them has no error.
 */
export function stratified(n: number, random: Random): Float64Array {
  const out = new Float64Array(n);
  for (let cell = 0; cell < n; cell += 2) {
    const u = random.uniform();
    out[cell] = (cell + 1 - u) / n;
    if (cell + 1 < n) out[cell + 1] = (cell + 1 + u) / n; // above 0, since the cell is not the first
  }
  return out;
}

/** The noise about which {@link noiseAt} turns from quadratic to logarithmic; a tenth has the least variance for networks of all qualities. */
const TURN = 0.1;

/**
 * Where an integral over σ of the uniform graph's score entropy is looked at: σ and dσ/dv at a place v in (0, 1] between two noises. Quadratic in v where there is
 * little noise, since the integrand goes to infinity there; in the logarithm of σ beyond, since an error of the score costs something at any noise.
 */
export function noiseAt(v: number, from: number, to: number): { readonly sigma: number; readonly slope: number } {
  const stretch = Math.log1p((to - from) / TURN);
  const beyond = TURN * Math.expm1(stretch * v * v);
  return { sigma: Math.min(to, from + beyond), slope: 2 * stretch * v * (TURN + beyond) };
}

/** Every window once, with its source of randomness: the common one, or, `paired`, the same numbers for each window. */
export function* eachWindow(count: number, paired: boolean, random: Random): Generator<{ readonly w: number; readonly draw: Random }> {
  const shared = paired ? random.integer(2 ** 31 - 1) : 0;
  for (let w = 0; w < count; w++) yield { w, draw: paired ? randomOf(shared) : random };
}

/**
 * The samples of one replicate: every window in every stratum, at a place in (0, 1]. Places are stratified over windows and strata together, in a random
 * order; `paired`, over the strata alone, and all windows have the same.
 */
export function* eachSample(
  count: number,
  strata: number,
  paired: boolean,
  random: Random,
): Generator<{ readonly w: number; readonly place: number; readonly draw: Random }> {
  const places = stratified(paired ? strata : strata * count, random);
  for (let j = 0; j < strata; j++) {
    const order = paired ? undefined : shuffled(everyPosition(count), random);
    for (const { w, draw } of eachWindow(count, paired, random)) yield { w, place: places[order ? j * count + order[w]! : j]!, draw };
  }
}

/**
 * Takes from every estimate what a companion of known mean explains of it: value − c (companion − mean). The slope c = Σ gain / Σ companion is that of the same
 * window's other replicates, hence independent of the companion it multiplies, and nothing is biased. A slope that is no number changes nothing,
 * and with fewer than four replicates it would be too rough.
 *
 * @param values [windows · replicates], changed in place; `gain` and `companion` likewise, the part of the value that goes with the companion, and that
 * @param mean of a window's companion
 */
export function regress(
  values: Float64Array,
  gain: Float64Array,
  companion: Float64Array,
  replicates: number,
  mean: (window: number) => number,
): void {
  if (replicates < 4) return;
  for (let start = 0; start < values.length; start += replicates) {
    const sum = (all: Float64Array) => all.subarray(start, start + replicates).reduce((a, b) => a + b, 0);
    const [gains, companions] = [sum(gain), sum(companion)];
    for (let at = start; at < start + replicates; at++) {
      const slope = (gains - gain[at]!) / (companions - companion[at]!);
      if (Number.isFinite(slope)) values[at]! -= slope * (companion[at]! - mean(start / replicates));
    }
  }
}
