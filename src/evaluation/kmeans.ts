/** k-means (Lloyd 1957) from k-means++ beginnings (Arthur & Vassilvitskii 2007): reproducible from its seed, the best of several beginnings. */
import { random, type Random } from "../platform/random.ts";

export interface KMeansOptions {
  readonly seed: number;
  /** Default 5. */
  readonly restarts?: number;
  /** The most iterations from one beginning. Default 500. */
  readonly iterations?: number;
}

export interface Clustering {
  /** Of each point: its cluster, 0 … count − 1. */
  readonly labels: Int32Array;
  /** Sum of the squared distances between points and the means of their clusters. */
  readonly inertia: number;
}

/** Clusters points, all of one dimension, into `count` clusters; some stay empty only where there are fewer different points. */
export function kMeans(
  points: readonly Float32Array[],
  count: number,
  { seed, restarts = 5, iterations = 500 }: KMeansOptions,
): Clustering {
  if (!Number.isInteger(count) || count < 1 || points.length < count)
    throw new RangeError(`kMeans: ${points.length} points do not make ${count} clusters`);
  const runs = Array.from({ length: restarts }, (_, run) => lloyd(points, count, iterations, random(seed, run)));
  return runs.reduce((best, run) => (run.inertia < best.inertia ? run : best));
}

function lloyd(points: readonly Float32Array[], count: number, iterations: number, draw: Random): Clustering {
  let means = spreadPoints(points, count, draw);
  let labels = new Int32Array(points.length).fill(-1);
  for (let iteration = 0; ; iteration++) {
    const next = Int32Array.from(points, (point) => nearest(point, means));
    const settled = next.every((label, i) => label === labels[i]);
    labels = next;
    if (settled || iteration === iterations) break;
    means = meansOf(points, labels, means);
  }
  return { labels, inertia: points.reduce((sum, point, i) => sum + squaredDistance(point, means[labels[i]!]!), 0) };
}

/** `count` of the points: the first any, each further one with probability proportional to its squared distance from those before. */
function spreadPoints(points: readonly Float32Array[], count: number, draw: Random): Float64Array[] {
  const chosen = [Float64Array.from(points[draw.integer(points.length)]!)];
  const gaps = new Float64Array(points.length).fill(Infinity);
  while (chosen.length < count) {
    let total = 0;
    points.forEach((point, i) => (total += gaps[i] = Math.min(gaps[i]!, squaredDistance(point, chosen.at(-1)!))));
    let rest = draw.uniform() * total;
    const at = gaps.findIndex((gap) => (rest -= gap) < 0);
    chosen.push(Float64Array.from(points[Math.max(at, 0)]!));
  }
  return chosen;
}

/** The mean of each cluster. An empty one moves to the point that lies farthest from the mean it had; each point serves one. */
function meansOf(points: readonly Float32Array[], labels: Int32Array, before: readonly Float64Array[]): Float64Array[] {
  const sums = before.map((mean) => new Float64Array(mean.length));
  const sizes = new Int32Array(before.length);
  points.forEach((point, i) => {
    const sum = sums[labels[i]!]!;
    sizes[labels[i]!]!++;
    for (let k = 0; k < point.length; k++) sum[k]! += point[k]!;
  });
  const means = sums.map((sum, c) => sum.map((value) => value / sizes[c]!));
  const gaps = points.map((point, i) => squaredDistance(point, means[labels[i]!]!));
  sizes.forEach((size, c) => {
    if (size > 0) return;
    const farthest = gaps.reduce((at, gap, i) => (gap > gaps[at]! ? i : at), 0);
    gaps[farthest] = 0;
    means[c] = Float64Array.from(points[farthest]!);
  });
  return means;
}

function nearest(point: Float32Array, means: readonly Float64Array[]): number {
  let [best, label] = [Infinity, 0];
  means.forEach((mean, c) => {
    const distance = squaredDistance(point, mean);
    if (distance < best) [best, label] = [distance, c];
  });
  return label;
}

function squaredDistance(point: Float32Array, mean: Float64Array): number {
  let sum = 0;
  for (let k = 0; k < point.length; k++) sum += (point[k]! - mean[k]!) ** 2;
  return sum;
}
