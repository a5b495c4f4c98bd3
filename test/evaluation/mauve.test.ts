/**
 * MAUVE by its definition. The numbers of the first test are those of NumPy, computed apart from this code as the reference computes them: the curve
 * [[0, ∞], [KL(q‖r), KL(p‖r)] for r = w·p + (1−w)·q and w in linspace(1e-6, 1−1e-6, 25), [∞, 0]] through exp(−5·), then half of the area under it
 * sorted by x, and half of that sorted by y, by the trapezoid rule. (On histograms that are equal to the last bit the reference's result depends on how
 * the sort leaves ties.)
 */
import { describe, expect, test } from "vitest";
import { divergenceArea, mauve } from "../../src/evaluation/mauve.ts";
import { random } from "../../src/platform/random.ts";

const area = (p: number[], q: number[]): number => divergenceArea(Float64Array.from(p), Float64Array.from(q));

describe("the area under the divergence curve", () => {
  test.each([
    [[0.5, 0.3, 0.2], [0.2, 0.3, 0.5], 0.8214099836116461],
    [[0.5, 0.5, 0, 0], [0, 0.25, 0.25, 0.5], 0.03599972470506224],
    [[0.1, 0.2, 0.3, 0.4], [0.11, 0.19, 0.31, 0.39], 0.9999956299788622],
  ])("of %j and %j is NumPy's", (p, q, expected) => {
    expect(area(p, q)).toBeCloseTo(expected, 13);
    expect(area(q, p)).toBeCloseTo(expected, 13);
  });

  test("is 1 for equal histograms", () => {
    expect(area([0.25, 0.25, 0.5], [0.25, 0.25, 0.5])).toBeCloseTo(1, 12);
  });

  test("without a common cluster has a closed form: x = (1−w)⁵, y = w⁵", () => {
    // KL(q‖r) = −log(1−w) and KL(p‖r) = −log w. The weights' step h = 1/24, and the integral ∫ w⁵·5(1−w)⁴ dw = 5·B(6, 5) = 1/252.
    const weights = [0, ...Array.from({ length: 25 }, (_, i) => 1e-6 + ((1 - 2e-6) * i) / 24), 1];
    const [x, y] = [weights.map((w) => (1 - w) ** 5), weights.map((w) => w ** 5)];
    const trapezoids = weights.slice(1).reduce((sum, _, i) => sum + ((x[i]! - x[i + 1]!) * (y[i]! + y[i + 1]!)) / 2, 0);
    expect(area([1, 0], [0, 1])).toBeCloseTo(trapezoids, 14);
    expect(area([1, 0], [0, 1])).toBeCloseTo(1 / 252, 3);
  });
});

/** Texts as vectors near one of three directions, of any length: `counts` of each. */
function vectors(counts: readonly number[], seed: number): Float32Array[] {
  const draw = random(seed);
  return counts.flatMap((count, direction) =>
    Array.from({ length: count }, () => {
      const length = 0.1 + 10 * draw.uniform();
      return Float32Array.from({ length: 4 }, (_, k) => length * (Number(k === direction) + 0.05 * draw.normal()));
    }),
  );
}

describe("mauve", () => {
  test("of sets in three directions, 15 : 10 : 5 and 5 : 10 : 15, is the area for these histograms, whatever the seed", () => {
    for (const seed of [1, 2, 3]) {
      const { score, clusters } = mauve(vectors([15, 10, 5], 1), vectors([5, 10, 15], 2), { seed });
      expect(clusters).toBe(3);
      expect(score).toBeCloseTo(0.7346006775724397, 12); // NumPy, as above
    }
  });

  test("tells one law from another, and does not tell two samples of one law apart", () => {
    const alike = mauve(vectors([40, 30, 30], 3), vectors([40, 30, 30], 4), { seed: 1, clusters: 3 }).score;
    const apart = mauve(vectors([100, 0, 0], 3), vectors([0, 50, 50], 4), { seed: 1, clusters: 3 }).score;
    expect(alike).toBeGreaterThan(0.99);
    expect(apart).toBeLessThan(0.005);
  });

  test("a vector of zeros has no direction and breaks nothing", () => {
    const { score } = mauve([...vectors([9, 0, 0], 5), new Float32Array(4)], [...vectors([9, 0, 0], 6), new Float32Array(4)], { seed: 1 });
    expect(score).toBeCloseTo(1, 12);
  });
});
