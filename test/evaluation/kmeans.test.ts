/** k-means against all clusterings of a few points. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { kMeans } from "../../src/evaluation/kmeans.ts";

const point = fc.tuple(fc.integer({ min: -20, max: 20 }), fc.integer({ min: -20, max: 20 })).map((xy) => Float32Array.from(xy));

/** Sum of squared distances to the clusters' means. */
function inertiaOf(points: readonly Float32Array[], labels: ArrayLike<number>, count: number): number {
  let sum = 0;
  for (let c = 0; c < count; c++) {
    const own = points.filter((_, i) => labels[i] === c);
    const mean = [0, 1].map((k) => own.reduce((total, p) => total + p[k]!, 0) / own.length);
    for (const p of own) sum += (p[0]! - mean[0]!) ** 2 + (p[1]! - mean[1]!) ** 2;
  }
  return sum;
}

test("the inertia is that of the labels, and with enough beginnings the least there is", () => {
  const size = 7;
  const all = Array.from({ length: 3 ** size }, (_, code) => Array.from({ length: size }, (_x, i) => Math.floor(code / 3 ** i) % 3));
  fc.assert(
    fc.property(fc.array(point, { minLength: size, maxLength: size }), fc.nat(1000), (points, seed) => {
      const { labels, inertia } = kMeans(points, 3, { seed, restarts: 40 });
      expect(inertia).toBeCloseTo(inertiaOf(points, labels, 3), 6);
      expect(inertia).toBeCloseTo(Math.min(...all.map((other) => inertiaOf(points, other, 3))), 6);
    }),
    { numRuns: 40 },
  );
});

test("one seed, one result; more beginnings are never worse", () => {
  fc.assert(
    fc.property(fc.array(point, { minLength: 12, maxLength: 30 }), fc.nat(1000), (points, seed) => {
      const one = kMeans(points, 5, { seed, restarts: 1 });
      expect(kMeans(points, 5, { seed, restarts: 1 })).toEqual(one);
      expect(kMeans(points, 5, { seed, restarts: 4 }).inertia).toBeLessThanOrEqual(one.inertia);
    }),
  );
});

test("fewer different points than clusters, a limit of iterations, too few points", () => {
  const points = Array.from({ length: 12 }, (_, i) => Float32Array.of(i % 3, 0));
  expect(kMeans(points, 5, { seed: 1 }).inertia).toBe(0);
  const { labels, inertia } = kMeans(points, 2, { seed: 1, restarts: 1, iterations: 0 });
  expect(inertia).toBeGreaterThanOrEqual(inertiaOf(points, labels, 2));
  expect(() => kMeans(points, 13, { seed: 1 })).toThrow("kMeans: 12 points do not make 13 clusters");
});
