/** Small networks and texts, and the loss program that training compiles, run on given corruptions. */
import type { Parameterization } from "../../src/diffusion/score-entropy-traced.ts";
import { initializeDDiT } from "../../src/network/ddit.ts";
import { GRADIENT, lossProgram, PARAMETER, type BatchShape, type Corruption } from "../../src/objectives/objective.ts";
import { objectiveOf } from "../../src/objectives/objective-of.ts";
import { readAsScore, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { compile, type Device } from "../../src/tensor/index.ts";

export const devices = ["cpu", "wasm"] as const;

export interface Loss {
  readonly sum: number;
  /** Flat. */
  readonly gradient: Float32Array;
}

/** The loss program of one shape, compiled once and run for each corruption, all of which have one capacity. */
export async function lossesOf(
  config: SeddConfig,
  parameters: Float32Array,
  shape: BatchShape,
  corruptions: readonly Corruption[],
  device: Device,
  training = true,
): Promise<Loss[]> {
  const objective = objectiveOf(config);
  const { layout } = objective;
  const executable = await compile(lossProgram(objective, shape, corruptions[0]!.capacity, { training, gradients: true }), { device });
  const results: Loss[] = [];
  for (const { feeds } of corruptions) {
    const gradient = layout.allocate();
    const { sum } = await executable.run({ ...layout.slices(parameters, PARAMETER), ...feeds }, layout.slices(gradient, GRADIENT));
    results.push({ sum: Number(sum![0]), gradient });
  }
  await executable.dispose();
  return results;
}

/** The same for one corruption. */
export async function lossOf(
  config: SeddConfig,
  parameters: Float32Array,
  shape: BatchShape,
  corruption: Corruption,
  device: Device,
  training = true,
): Promise<Loss> {
  return (await lossesOf(config, parameters, shape, [corruption], device, training))[0]!;
}

/** The step of {@link slopes}. */
export const STEP = 3e-3;

/**
 * The summed loss of a corruption, dropout included, and its slope along the gradient's entries `from` … `to`−1, those of all parameters if left out: with h = STEP
 * (L(+h) − L(−h)) / 2h, which is their norm but for the third derivative and the rounding of the two losses.
 */
export async function slopes(
  config: SeddConfig,
  device: Device,
): Promise<{ sum: number; slope(from?: number, to?: number): Promise<{ slope: number; norm: number }> }> {
  const shape = { batch: 4, length: 12 };
  const parameters = parametersOf(config);
  const corruption = objectiveOf(config).corrupt(textOf(48), shape, random(13), true);
  const { gradient, sum } = await lossOf(config, parameters, shape, corruption, device);
  return {
    sum,
    async slope(from = 0, to = gradient.length) {
      const norm = Math.hypot(...gradient.subarray(from, to));
      const moved = (sign: number): Float32Array =>
        parameters.map((value, i) => (i >= from && i < to ? value + (sign * STEP * gradient[i]!) / norm : value));
      const [ahead, behind] = await Promise.all([1, -1].map((sign) => lossOf(config, moved(sign), shape, corruption, device)));
      return { slope: (ahead!.sum - behind!.sum) / (2 * STEP), norm };
    },
  };
}

export const MASK = 14;
export const configOf = (parameterization: Parameterization, dropout = 0, scaleBySigma = true): SeddConfig => ({
  network: { states: MASK + 1, hidden: 16, layers: 2, heads: 2, conditioning: 8, dropout },
  graph: "absorb",
  noise: { kind: "loglinear", eps: 1e-3 },
  parameterization,
  scaleBySigma,
});
/** A network without σ. */
export const plainConfig = (objective: "mlm" | "ardm" | "ar", states = MASK + 1, dropout = 0): SeddConfig => ({
  ...readAsScore,
  network: { states, hidden: 16, layers: 2, heads: 2, conditioning: 0, dropout, ...(objective === "ar" ? { causal: true } : {}) },
  objective,
});
/** A network past its start: adaLN and head are not zero. */
export const parametersOf = (config: SeddConfig): Float32Array => {
  const draw = random(4);
  return initializeDDiT(config.network, random(3)).map((value) => value + 0.15 * draw.normal());
};
/** Random tokens. */
export const textOf = (n: number, seed = 1, vocabularySize = MASK): Int32Array => {
  const draw = random(seed);
  return Int32Array.from({ length: n }, () => draw.integer(vocabularySize));
};
export const variants: [string, SeddConfig][] = [
  ["score, scaled by σ", configOf("score")],
  ["score, not scaled", configOf("score", 0, false)],
  ["normalized", configOf("normalized")],
];
