/**
 * Time grids: the K + 1 times 1 = t_0 > t_1 > … > t_K = 1e-5 between which a predictor makes its K steps. With k/K the share of steps done:
 *   linear      t = 1 − (1 − 1e-5) k/K              the default, and what the official code does
 *   cosine      t = cos(π k / 2K)                   short steps first, long ones at the end; under log-linear noise the masked share is a cosine, as in
 *                                                   Chang et al. 2022 (MaskGIT) and Shi et al. 2024 ("Simplified and generalized masked diffusion")
 *   log-sigma   log σ even from σ(1) to σ(1e-5)     most steps at small noise; geometric noise's own linear grid
 *   share       1 − e^{−σ} even                     the same share of the tokens is decided in every step; log-linear noise's own linear grid
 */
import type { Noise } from "./noise.ts";

export const gridNames = ["linear", "cosine", "log-sigma", "share"] as const;
export type GridName = (typeof gridNames)[number];

/** Where every grid ends and the final denoise begins. */
export const lastTime = 1e-5;

/** The corrupted share 1 − e^{−σ} at total noise σ, and back. */
const shareOf = (sigma: number): number => -Math.expm1(-sigma);
const sigmaOf = (share: number): number => -Math.log1p(-share);

/** The times of K steps, [K + 1], falling; the first is 1 and the last is {@link lastTime}, exactly. */
export function timeGrid(steps: number, noise: Noise, grid: GridName = "linear"): Float64Array {
  const at = inner[grid];
  return Float64Array.from({ length: steps + 1 }, (_, k) => (k === 0 ? 1 : k === steps ? lastTime : at(k / steps, noise)));
}

const between = (from: number, to: number, done: number): number => from + (to - from) * done;

/** The time at which a share of the steps is done, for shares inside (0, 1). */
const inner: Readonly<Record<GridName, (done: number, noise: Noise) => number>> = {
  linear: (done) => 1 - done * (1 - lastTime),
  cosine: (done) => Math.max(lastTime, Math.cos((Math.PI / 2) * done)),
  "log-sigma": (done, noise) => noise.time(Math.exp(between(Math.log(noise.sigma(1)), Math.log(noise.sigma(lastTime)), done))),
  share: (done, noise) => noise.time(sigmaOf(between(shareOf(noise.sigma(1)), shareOf(noise.sigma(lastTime)), done))),
};
