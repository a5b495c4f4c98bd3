/**
 * The validation number during training: for score entropy the likelihood bound with every term, in nats a token, on fixed windows with fixed times and corruption, so
 * that two checkpoints differ by their weights alone. The estimator is that of diffusion/likelihood.ts, through the loss program (validation-parts.ts). The loss of the other
 * objectives is their number itself.
 */
import { estimate } from "../diffusion/bound.ts";
import { denoiseLaw } from "../diffusion/denoise.ts";
import { normalised, probabilities } from "../diffusion/law.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { piecesOfRows, type ScoreModel } from "../diffusion/score.ts";
import type { Objective } from "../objectives/objective.ts";
import { networkScore, type NetworkScore } from "../objectives/sedd-score.ts";
import { seddObjective, type SeddConfig } from "../objectives/sedd.ts";
import { random } from "../platform/random.ts";
import type { TokenSource } from "../text/source.ts";
import type { CompileOptions } from "../tensor/index.ts";
import { lossRunner } from "./loss.ts";
import { boundParts, type BoundParts } from "./validation-parts.ts";

export interface Validation {
  /**
   * Nats a token and the standard error over batches of windows.
   *
   * @param options `pause` is awaited after every batch; `signal` throws its reason between two
   */
  bound(parameters: Float32Array, options?: Interruption): Promise<{ natsPerToken: number; standardError: number }>;
  dispose(): Promise<void>;
}

interface Interruption {
  readonly signal?: AbortSignal | undefined;
  readonly pause?: (() => Promise<void>) | undefined;
}

const ROWS = 16;
/** How many windows are used where so many are asked for: whole batches, two at least. */
export const validationWindows = (asked: number): number => ROWS * Math.max(2, Math.round(asked / ROWS));
const STREAM = 0x76616c;

/** {@link validationWindows} windows of `length`, evenly spread over the text. */
export async function createValidation(
  objective: Objective,
  config: SeddConfig,
  source: TokenSource,
  settings: { windows: number; length: number; seed: number },
  options: CompileOptions,
): Promise<Validation> {
  // The bound is of score entropy, whatever the network is trained by.
  const judge = config.loss === undefined ? objective : seddObjective({ ...config, loss: undefined });
  const runner = lossRunner(judge, options);
  const sigma0 = noiseFrom(config.noise).sigma(0);
  const batches = validationWindows(settings.windows) / ROWS;
  const length = Math.min(settings.length, source.count);
  const shape = { batch: ROWS, length };
  const stream = random(settings.seed, STREAM);
  const items: (BoundParts & { readonly tokens: Int32Array })[] = [];
  for (let b = 0; b < batches; b++) {
    const tokens = new Int32Array(ROWS * length);
    for (let r = 0; r < ROWS; r++) {
      const place = (b + r * batches) / (batches * ROWS);
      tokens.set(await source.window(Math.floor(place * (source.count - length + 1)), length), r * length);
    }
    items.push({
      tokens,
      ...(config.objective === undefined
        ? boundParts({ ...config, loss: undefined }, tokens, shape, stream)
        : { corruptions: [objective.corrupt(tokens, shape, stream, false)], constant: 0 }),
    });
  }
  // The score of the parameters that were last asked about: training asks about one buffer again and again.
  let held: { readonly parameters: Float32Array; readonly score: NetworkScore } | undefined;
  const scoreOf = async (parameters: Float32Array): Promise<NetworkScore> => {
    if (held?.parameters !== parameters) {
      await held?.score.dispose();
      held = { parameters, score: networkScore(config, parameters, options) };
    }
    return held.score;
  };
  return {
    async bound(parameters, { signal, pause } = {}) {
      const values: number[] = [];
      for (const { tokens, corruptions, constant, reconstruct } of items) {
        signal?.throwIfAborted();
        let sum = constant;
        for (const corruption of corruptions) sum += await runner.run(parameters, corruption, shape);
        if (reconstruct) sum += await reconstruction(await scoreOf(parameters), sigma0, tokens, reconstruct);
        values.push(sum / (ROWS * length));
        await pause?.();
      }
      const { total, standardError } = estimate(values);
      return { natsPerToken: total, standardError };
    },
    async dispose() {
      await Promise.all([runner.dispose(), held?.score.dispose()]);
    },
  };
}

/** Σ over positions of −log of the final denoise at noise `sigma`, of the clean token given the noisy ones. */
async function reconstruction(score: ScoreModel, sigma: number, clean: Int32Array, noisy: Int32Array): Promise<number> {
  const { states } = score.graph;
  const law = denoiseLaw(score.graph, sigma);
  const answer = await score.evaluate(noisy, new Float64Array(ROWS).fill(sigma), Int32Array.from(noisy.keys()));
  let sum = 0;
  for (const which of piecesOfRows(noisy.length, states)) {
    const rows = await answer.rows(which);
    which.forEach((at, i) => {
      const row = rows.subarray(i * states, (i + 1) * states);
      sum -= Math.log(normalised(probabilities(law, noisy[at]!, row))[clean[at]!]!);
    });
  }
  return sum;
}
