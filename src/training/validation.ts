/**
 * The validation bound during training: the likelihood bound with every term, in nats a token, on fixed windows with fixed times and corruption, so
 * that two checkpoints differ by their weights alone.
 */
import { absorb } from "../diffusion/absorb.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import type { Corruption, Objective } from "../objectives/objective.ts";
import { corruptionOf, type SeddConfig } from "../objectives/sedd.ts";
import { random } from "../platform/random.ts";
import type { TokenSource } from "../text/source.ts";
import { lossRunner } from "./loss.ts";
import type { CompileOptions } from "../tensor/index.ts";

export interface Validation {
  /** Nats a token and the standard error over batches of windows. */
  bound(parameters: Float32Array): Promise<{ natsPerToken: number; standardError: number }>;
  dispose(): Promise<void>;
}

const ROWS = 16;
const STREAM = 0x76616c;

/** `windows` windows of `length`, evenly spread over the text. */
export async function createValidation(
  objective: Objective,
  config: SeddConfig,
  source: TokenSource,
  settings: { windows: number; length: number; seed: number },
  options: CompileOptions,
): Promise<Validation> {
  const runner = lossRunner(objective, options);
  const noise = noiseFrom(config.noise);
  const graph = absorb(config.network.states - 1);
  const batches = Math.max(2, Math.round(settings.windows / ROWS));
  const length = Math.min(settings.length, source.count);
  const shape = { batch: ROWS, length };
  const stream = random(settings.seed, STREAM);
  const items: { integral: Corruption; tail: Corruption }[] = [];
  for (let b = 0; b < batches; b++) {
    const tokens = new Int32Array(ROWS * length);
    for (let r = 0; r < ROWS; r++) {
      const place = (b + r * batches) / (batches * ROWS);
      tokens.set(await source.window(Math.floor(place * (source.count - length + 1)), length), r * length);
    }
    const u = stream.uniform();
    const times = Float64Array.from({ length: ROWS }, (_, i) => (i + 1 - u) / ROWS);
    const noisy = graph.corrupt(tokens, times.map(noise.sigma), stream);
    const end = new Float64Array(ROWS).fill(1);
    items.push({
      integral: corruptionOf(config, tokens, noisy, times, shape),
      // The tail beyond σ(1), network held there, all positions masked: see diffusion/likelihood.ts.
      tail: corruptionOf(config, tokens, new Int32Array(tokens.length).fill(graph.mask), end, shape),
    });
  }
  // σ'(1)·SE = pull·(Σh − log h − 1) with pull = σ'(1)/(e^σ(1) − 1); the tail has the factor e^{−σ(1)} instead.
  const tailFactor = (Math.exp(-noise.sigma(1)) * Math.expm1(noise.sigma(1))) / noise.rate(1);
  return {
    async bound(parameters) {
      const values: number[] = [];
      for (const { integral, tail } of items) {
        const sum = (await runner.run(parameters, integral, shape)) + tailFactor * (await runner.run(parameters, tail, shape));
        values.push(sum / (ROWS * length));
      }
      const mean = values.reduce((a, b) => a + b) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
      return { natsPerToken: mean, standardError: Math.sqrt(variance / values.length) };
    },
    dispose: () => runner.dispose(),
  };
}
