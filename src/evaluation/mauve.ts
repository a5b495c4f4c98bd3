/**
 * How close the law of generated texts is to that of human ones (MAUVE, Pillutla et al. 2021). Texts are given as feature vectors: both sets are
 * clustered together, each set becomes a histogram over the clusters, and the score is the area under the curve of their divergences from mixtures.
 * The reference clusters the principal components that hold 90 % of the variance; here the whole vectors are. Features of another network give
 * scores that do not compare with published ones.
 */
import { kMeans, type KMeansOptions } from "./kmeans.ts";

/** The paper's constant c, which spreads scores over (0, 1). */
const SCALE = 5;
/** Mixture weights on the curve, evenly from 1e-6 to 1 − 1e-6. */
const WEIGHTS = 25;

export interface MauveOptions extends KMeansOptions {
  /** Default: a tenth of the smaller set, and at least 2. */
  readonly clusters?: number;
}

export interface Mauve {
  /** 0.004 for sets that share no cluster, 1 for equal histograms. */
  readonly score: number;
  readonly clusters: number;
}

/**
 * @param human feature vectors, a text each
 * @param generated as many, or nearly: the score depends on the numbers of texts and of clusters, so compare only at equal ones
 */
export function mauve(human: readonly Float32Array[], generated: readonly Float32Array[], options: MauveOptions): Mauve {
  const clusters = options.clusters ?? Math.max(2, Math.round(Math.min(human.length, generated.length) / 10));
  const { labels } = kMeans([...human, ...generated].map(unit), clusters, options);
  const histogram = (own: Int32Array): Float64Array => {
    const shares = new Float64Array(clusters);
    for (const label of own) shares[label]! += 1 / own.length;
    return shares;
  };
  return { score: divergenceArea(histogram(labels.subarray(0, human.length)), histogram(labels.subarray(human.length))), clusters };
}

/** The vector at length 1. */
function unit(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector);
  return norm === 0 ? vector : vector.map((value) => value / norm);
}

/**
 * Area under the curve of points (exp(−c·KL(q‖r)), exp(−c·KL(p‖r))), r = w·p + (1−w)·q, from (1, 0) for w = 0 to (0, 1) for w = 1, by the trapezoid rule.
 * The curve only falls, so the areas under y(x) and x(y), of which the reference takes the mean, are one.
 */
export function divergenceArea(p: Float64Array, q: Float64Array): number {
  const points = Array.from({ length: WEIGHTS }, (_, i): [number, number] => {
    const w = 1e-6 + ((1 - 2e-6) * i) / (WEIGHTS - 1);
    const mixture = p.map((share, k) => w * share + (1 - w) * q[k]!);
    return [Math.exp(-SCALE * divergence(q, mixture)), Math.exp(-SCALE * divergence(p, mixture))];
  });
  const curve: [number, number][] = [[1, 0], ...points, [0, 1]];
  let area = 0;
  for (let i = 1; i < curve.length; i++) {
    const [[x0, y0], [x1, y1]] = [curve[i - 1]!, curve[i]!];
    area += ((x0 - x1) * (y0 + y1)) / 2;
  }
  return area;
}

/** KL(p‖r) in nats, where r is positive wherever p is. */
const divergence = (p: Float64Array, r: Float64Array): number =>
  p.reduce((sum, share, k) => (share > 0 ? sum + share * Math.log(share / r[k]!) : sum), 0);
