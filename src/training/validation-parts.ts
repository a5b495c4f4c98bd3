/**
 * What the validation bound of a batch of windows is made of: corruptions through the loss program, whose summed loss is a term of the likelihood bound
 * (diffusion/likelihood.ts has the formulas), and the terms that need no network. The loss program gives σ'·SE at every position that has one, so a row's
 * numbers, which are proportional to σ', are scaled to the weight that its sample has in the integral.
 */
import { everyPosition } from "../diffusion/bound.ts";
import type { Graph } from "../diffusion/graph.ts";
import { uniformPriorKl } from "../diffusion/likelihood.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { shuffled } from "../diffusion/shuffle.ts";
import { noiseAt } from "../diffusion/strata.ts";
import type { BatchShape, Corruption } from "../objectives/objective.ts";
import { corruptionOf, graphOf, type SeddConfig } from "../objectives/sedd.ts";
import type { Random } from "../platform/random.ts";

export interface BoundParts {
  /** Their losses add up to the terms that the loss program can give, in nats over all positions of the batch. */
  readonly corruptions: readonly Corruption[];
  /** Nats over all positions of the batch, whatever the network. */
  readonly constant: number;
  /** Noisy tokens at σ(0) > 0 whose reconstruction is a term by itself (uniform; absorb has it among the corruptions). */
  readonly reconstruct?: Int32Array;
}

/**
 * @param tokens [batch·length] clean windows
 * @param stream every random number, in the same order whatever the weights
 */
export function boundParts(config: SeddConfig, tokens: Int32Array, shape: BatchShape, stream: Random): BoundParts {
  const graph = graphOf(config);
  const noise = noiseFrom(config.noise);
  const u = stream.uniform();
  // Which window gets which stratum is drawn, so that noise does not go with the place in the text.
  const strata = shuffled(everyPosition(shape.batch), stream);
  // In (0, 1], one in each stratum.
  const places = Float64Array.from(strata, (stratum) => (stratum + 1 - u) / shape.batch);
  const [sigma0, sigma1] = [noise.sigma(0), noise.sigma(1)];
  const batch = { config, graph, tokens, shape };

  if (graph.mask === undefined) {
    const samples = Array.from(places, (v) => noiseAt(v, sigma0, sigma1));
    const sigmas = Float64Array.from(samples, ({ sigma }) => sigma);
    const weights = Float64Array.from(samples, ({ slope }) => slope);
    const noisy = graph.corrupt(tokens, sigmas, stream);
    return {
      corruptions: [weighted(batch, noisy, sigmas, weights)],
      constant: tokens.length * uniformPriorKl(graph.vocabularySize, sigma1),
      ...(sigma0 > 0 ? { reconstruct: graph.corrupt(tokens, new Float64Array(shape.batch).fill(sigma0), stream) } : {}),
    };
  }

  const { mask } = graph;
  // The integral is over the masked share m = 1 − e^{−σ}, from σ(0) to σ(1).
  const first = -Math.expm1(-sigma0);
  const beyond = Math.exp(-sigma1);
  const span = 1 - beyond - first;
  /** `weight` times the mean of X = Σh − log h − 1 over the masked positions of each row, times the row's positions. */
  const part = (shares: Float64Array, weight: number): Corruption => {
    const noisy = maskedAt(tokens, shares, mask, stream);
    const sigmas = shares.map((share) => Math.min(sigma1, -Math.log1p(-share)));
    const masked = (r: number): number => count(noisy.subarray(r * shape.length, (r + 1) * shape.length), mask);
    // X = (e^σ−1)·SE.
    const weights = sigmas.map((sigma, r) => (weight * shape.length * Math.expm1(sigma)) / masked(r));
    return weighted(batch, noisy, sigmas, weights);
  };
  const same = (share: number): Float64Array => new Float64Array(shape.batch).fill(share);
  return {
    corruptions: [
      part(
        places.map((v) => first + span * v),
        span,
      ),
      // The tail beyond σ(1): everything masked (but for less than e^{−σ(1)}), the network held at σ(1).
      part(same(1), beyond),
      // Noise that begins at σ(0) > 0: the reconstruction log Σh − log h ≤ X, equal where Σh = 1 (`normalized`).
      ...(first > 0 ? [part(same(first), first)] : []),
    ],
    constant: 0,
  };
}

interface Batch {
  readonly config: SeddConfig;
  readonly graph: Graph;
  readonly tokens: Int32Array;
  readonly shape: BatchShape;
}

/** The corruption whose loss is Σ over rows of weight · SE. */
function weighted({ config, graph, tokens, shape }: Batch, noisy: Int32Array, sigmas: Float64Array, weights: Float64Array): Corruption {
  const noise = noiseFrom(config.noise);
  const times = sigmas.map(noise.time);
  const factors = weights.map((weight, r) => weight / noise.rate(times[r]!));
  const { feeds, capacity } = corruptionOf(config, tokens, noisy, times, shape);
  const sequence = (i: number): number => (graph.mask === undefined ? Math.floor(i / shape.length) : Number(feeds["sequence"]![i]));
  const scaled = (name: string, scale = (value: number, factor: number): number => value * factor): [string, Float32Array] => [
    name,
    Float32Array.from(feeds[name] as Float32Array, (value, i) => scale(value, factors[sequence(i)]!)),
  ];
  const numbers =
    graph.mask === undefined
      ? [scaled("restWeight"), scaled("cleanWeight")]
      : [scaled("pull"), scaled("rest"), scaled("shift", (value, factor) => value + Math.log(factor))];
  return { feeds: { ...feeds, ...Object.fromEntries(numbers) }, capacity };
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
