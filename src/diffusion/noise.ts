/**
 * Noise schedules: total noise σ(t) on t in [0, 1], its rate dσ/dt, and its inverse. Float64 throughout; a schedule knows nothing of graphs.
 * Lou, Meng, Ermon 2024, section 3 and appendix C ("log-linear" and "geometric").
 */
import { UserError } from "../platform/errors.ts";

/** What is written to a checkpoint's configuration; {@link noiseFrom} reads it back. */
export type NoiseConfig =
  | { readonly kind: "loglinear"; readonly eps: number }
  | { readonly kind: "geometric"; readonly sigmaMin: number; readonly sigmaMax: number };

/** A noise schedule. Times are in [0, 1]; σ is in nats (a token survives to σ with probability e^{−σ}, and may be redrawn). */
export interface Noise {
  readonly kind: NoiseConfig["kind"];
  /** Total noise σ(t). */
  sigma(t: number): number;
  /** dσ/dt at t. */
  rate(t: number): number;
  /** The t at which the total noise is `sigma`: the inverse of {@link sigma}. */
  time(sigma: number): number;
  /** The schedule as plain data. */
  readonly config: NoiseConfig;
}

/**
 * Log-linear noise: σ(t) = −log(1 − (1−ε)t), so that 1 − e^{−σ} = (1−ε)t: the share of corrupted tokens grows linearly.
 *
 * @param eps what survives at t = 1: e^{−σ(1)} = ε, 0 < ε < 1
 * @example logLinear().sigma(1) // 6.907… = −log(1e-3)
 */
export function logLinear(eps = 1e-3): Noise {
  if (!(eps > 0 && eps < 1)) throw new UserError(`logLinear: eps must lie between 0 and 1, got ${eps}`);
  // 1 − (1−ε)t as (1−t) + εt: near t = 1 the first form cancels and loses three digits.
  const left = (t: number) => 1 - t + eps * t;
  return {
    kind: "loglinear",
    sigma: (t) => ((1 - eps) * t < 0.5 ? -Math.log1p(-(1 - eps) * t) : -Math.log(left(t))),
    rate: (t) => (1 - eps) / left(t),
    time: (sigma) => -Math.expm1(-sigma) / (1 - eps),
    config: { kind: "loglinear", eps },
  };
}

/** e^σ is a float64 up to 709.78; from 40 on nothing of a text is left anyway. */
const SIGMA_LIMIT = 700;

/**
 * Geometric noise: σ(t) = σ_min^{1−t} σ_max^t. It starts at σ(0) = σ_min > 0.
 *
 * @example geometric().sigma(1) // 20
 */
export function geometric(sigmaMin = 1e-5, sigmaMax = 20): Noise {
  if (!(sigmaMin > 0 && sigmaMax > sigmaMin && sigmaMax <= SIGMA_LIMIT))
    throw new UserError(
      `geometric: needs 0 < sigmaMin < sigmaMax, at most ${SIGMA_LIMIT}, got sigmaMin ${sigmaMin} and sigmaMax ${sigmaMax}`,
    );
  const growth = Math.log(sigmaMax / sigmaMin);
  const sigma = (t: number) => sigmaMin ** (1 - t) * sigmaMax ** t;
  return {
    kind: "geometric",
    sigma,
    rate: (t) => sigma(t) * growth,
    time: (s) => Math.log(s / sigmaMin) / growth,
    config: { kind: "geometric", sigmaMin, sigmaMax },
  };
}

/** The schedule that a configuration describes. */
export function noiseFrom(config: NoiseConfig): Noise {
  return config.kind === "loglinear" ? logLinear(config.eps) : geometric(config.sigmaMin, config.sigmaMax);
}
