/**
 * The validation bound during training: the likelihood bound with every term, in nats a token, on fixed windows with fixed times and corruption, so
 * that two checkpoints differ by their weights alone. The estimator is that of diffusion/likelihood.ts, through the loss program.
 */
import { absorb } from "../diffusion/absorb.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { shuffled } from "../diffusion/shuffle.ts";
import type { Corruption, Objective } from "../objectives/objective.ts";
import { corruptionOf, type SeddConfig } from "../objectives/sedd.ts";
import { random, type Random } from "../platform/random.ts";
import type { TokenSource } from "../text/source.ts";
import { lossRunner } from "./loss.ts";
import type { CompileOptions } from "../tensor/index.ts";

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
  const { mask } = absorb(config.network.states - 1);
  const batches = Math.max(2, Math.round(settings.windows / ROWS));
  const length = Math.min(settings.length, source.count);
  const shape = { batch: ROWS, length };
  const stream = random(settings.seed, STREAM);
  // The integral is over the masked share m = 1 − e^{−σ}, from σ(0) to σ(1).
  const first = -Math.expm1(-noise.sigma(0));
  const beyond = Math.exp(-noise.sigma(1));
  const span = 1 - beyond - first;
  const items: Corruption[][] = [];
  for (let b = 0; b < batches; b++) {
    const tokens = new Int32Array(ROWS * length);
    for (let r = 0; r < ROWS; r++) {
      const place = (b + r * batches) / (batches * ROWS);
      tokens.set(await source.window(Math.floor(place * (source.count - length + 1)), length), r * length);
    }
    /** `weight` times the mean of X = Σh − log h − 1 over the masked positions of each row, times the row's positions. */
    const part = (shares: Float64Array, weight: number): Corruption => {
      const noisy = maskedAt(tokens, shares, mask, stream);
      const sigmas = shares.map((share) => Math.min(noise.sigma(1), -Math.log1p(-share)));
      const weights = shares.map((_, r) => (weight * length) / count(noisy.subarray(r * length, (r + 1) * length), mask));
      // The loss program gives σ'/(e^σ−1) · X at a masked position.
      const times = sigmas.map(noise.time);
      const factors = weights.map((value, r) => (value * Math.expm1(sigmas[r]!)) / noise.rate(times[r]!));
      return scaled(corruptionOf(config, tokens, noisy, times, shape), factors);
    };
    const u = stream.uniform();
    // Which window gets which stratum is drawn, so that noise does not go with the place in the text.
    const strata = shuffled(
      Int32Array.from({ length: ROWS }, (_, r) => r),
      stream,
    );
    const same = (share: number): Float64Array => new Float64Array(ROWS).fill(share);
    items.push([
      part(
        Float64Array.from(strata, (stratum) => first + (span * (stratum + 1 - u)) / ROWS),
        span,
      ),
      // The tail beyond σ(1): everything masked (but for less than e^{−σ(1)}), the network held at σ(1).
      part(same(1), beyond),
      // Noise that begins at σ(0) > 0: the reconstruction log Σh − log h ≤ X, equal where Σh = 1 (`normalized`).
      ...(first > 0 ? [part(same(first), first)] : []),
    ]);
  }
  return {
    async bound(parameters, { signal, pause } = {}) {
      const values: number[] = [];
      for (const parts of items) {
        signal?.throwIfAborted();
        let sum = 0;
        for (const corruption of parts) sum += await runner.run(parameters, corruption, shape);
        values.push(sum / (ROWS * length));
        await pause?.();
      }
      const mean = values.reduce((a, b) => a + b) / values.length;
      const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / (values.length - 1);
      return { natsPerToken: mean, standardError: Math.sqrt(variance / values.length) };
    },
    dispose: () => runner.dispose(),
  };
}

/** In each row one position is masked for certain, the others with the row's probability: X's mean over them is unbiased, and of finite variance. */
function maskedAt(tokens: Int32Array, shares: Float64Array, mask: number, stream: Random): Int32Array {
  const length = tokens.length / shares.length;
  const certain = shares.map((_, r) => r * length + stream.integer(length));
  return tokens.map((token, i) => {
    const r = Math.floor(i / length);
    return stream.uniform() < shares[r]! || i === certain[r] ? mask : token;
  });
}

const count = (states: Int32Array, state: number): number => states.reduce((sum, value) => sum + (value === state ? 1 : 0), 0);

/** A corruption whose rows count `factors` times: the row numbers of the loss are proportional to σ' (see diffusion/score-entropy-traced.ts). */
function scaled({ feeds, capacity }: Corruption, factors: Float64Array): Corruption {
  const sequence = feeds["sequence"]!;
  const by = (name: string, scale: (value: number, factor: number) => number): Float32Array =>
    Float32Array.from(feeds[name] as Float32Array, (value, i) => scale(value, factors[Number(sequence[i])]!));
  const times = (value: number, factor: number): number => value * factor;
  return { feeds: { ...feeds, pull: by("pull", times), rest: by("rest", times), shift: by("shift", (a, f) => a + Math.log(f)) }, capacity };
}
