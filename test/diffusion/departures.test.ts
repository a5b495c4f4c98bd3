/** Temperature, top-k and top-p: the transformed weights against their definition, ties, and draws in every sampler against the transformed law. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { depart, departuresOf } from "../../src/diffusion/departures.ts";
import { eventLaw } from "../../src/diffusion/firsthitting.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { UserError } from "../../src/platform/errors.ts";
import { noises, truths } from "../support/law-cells.ts";
import { drawnCounts } from "../support/propagation.ts";
import { corrected, departed, positionLaw, rejects, runLaw, tableScore } from "../support/step-laws.ts";

const after = (weights: readonly number[], departures: Parameters<typeof depart>[1]): number[] => {
  const out = Float64Array.from(weights);
  const total = depart(out, departures);
  expect(total).toBeCloseTo(
    out.reduce((a, b) => a + b, 0),
    12,
  );
  return [...out].map((weight) => weight / total);
};
const rounded = (values: readonly number[]): number[] => values.map((value) => Math.round(value * 1e12) / 1e12);

describe("weights", () => {
  it("temperature is a power", () => {
    expect(rounded(after([1, 3, 0], { temperature: 0.5 }))).toEqual([0.1, 0.9, 0]);
    expect(rounded(after([1, 9, 0], { temperature: 2 }))).toEqual([0.25, 0.75, 0]);
  });
  it("temperatures near 0 and of any size are finite: the largest is left, or all alike", () => {
    expect(after([1e-300, 2e-300, 1e-310], { temperature: 1e-3 })).toEqual([
      after([1, 2], { temperature: 1e-3 })[0],
      expect.closeTo(1, 12),
      0,
    ]);
    expect(rounded(after([1e100, 1e-100], { temperature: 1e12 })).map((p) => Math.round(p * 1e6) / 1e6)).toEqual([0.5, 0.5]);
    expect(after([3, 5, 5], { temperature: Number.MIN_VALUE })).toEqual([0, 0.5, 0.5]);
  });
  it("top-k keeps k; of equal weights those of smaller ids", () => {
    expect(after([1, 2, 3, 2], { topK: 2 })).toEqual([0, 0.4, 0.6, 0]);
    expect(after([5, 5, 5, 5], { topK: 3 })).toEqual([1 / 3, 1 / 3, 1 / 3, 0]);
    expect(after([1, 2, 1], { topK: 1 })).toEqual([0, 1, 0]);
    expect(after([1, 0, 3], { topK: 9 })).toEqual([0.25, 0, 0.75]);
  });
  it("top-p keeps the fewest that reach p; exactly p is enough, and one always stays", () => {
    expect(after([1, 2, 4, 1], { topP: 0.75 })).toEqual([0, 1 / 3, 2 / 3, 0]);
    expect(rounded(after([1, 2, 4, 1], { topP: 0.76 }))).toEqual(rounded([1 / 7, 2 / 7, 4 / 7, 0]));
    expect(after([1, 2, 4, 1], { topP: 1e-9 })).toEqual([0, 0, 1, 0]);
    expect(after([2, 2, 2, 2], { topP: 0.5 })).toEqual([0.5, 0.5, 0, 0]);
  });
  it("together, in this order, they are what sorting says", () => {
    const weights = fc.array(fc.oneof(fc.double({ min: 1e-6, max: 1, noNaN: true }), fc.constantFrom(0.25, 0.5)), {
      minLength: 2,
      maxLength: 12,
    });
    const options = fc.record({
      temperature: fc.double({ min: 0.2, max: 5, noNaN: true }),
      topK: fc.integer({ min: 1, max: 14 }),
      topP: fc.double({ min: 0.01, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(weights, options, (own, departures) => {
        const total = own.reduce((a, b) => a + b);
        // As the targets of a position that leaves its state, 0, for certain.
        const law = Float64Array.from([0, ...own.map((weight) => weight / total)]);
        const expected = departed(departures)(law, 0, 0).subarray(1);
        after(own, departures).forEach((p, y) => expect(p).toBeCloseTo(expected[y]!, 9));
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("what counts as a departure", () => {
  it("temperature 1, top-p 1 and a top-k of all tokens are the law itself", () => {
    expect(departuresOf({}, 10)).toBeUndefined();
    expect(departuresOf({ temperature: 1, topK: 10, topP: 1 }, 10)).toBeUndefined();
    expect(departuresOf({ temperature: 0.8, topK: 11, topP: 0.9 }, 10)).toEqual({ temperature: 0.8, topP: 0.9 });
    expect(departuresOf({ topK: 9 }, 10)).toEqual({ topK: 9 });
  });
  it.each([
    [{ temperature: 0 }, /^temperature must be a number above 0, got 0;/],
    [{ temperature: -1 }, /^temperature must be .* got -1/],
    [{ temperature: NaN }, /^temperature must be/],
    [{ temperature: Infinity }, /^temperature must be/],
    [{ topK: 0 }, /^topK must be a whole number of at least 1, got 0/],
    [{ topK: 1.5 }, /^topK must be/],
    [{ topP: 0 }, /^topP must be above 0 and at most 1, got 0/],
    [{ topP: 1.01 }, /^topP must be/],
  ])("%j is refused", (options, message) => {
    expect(() => departuresOf(options, 10)).toThrow(UserError);
    expect(() => departuresOf(options, 10)).toThrow(message);
  });
});

describe("draws follow the transformed law", () => {
  const cases = [{ temperature: 0.5 }, { temperature: 2, topK: 2 }, { topP: 0.7 }];
  describe.each(["absorb", "uniform"] as const)("%s", (kind) => {
    const truth = truths[kind];
    describe.each(["analytic", "euler"] as const)("%s", (sampler) => {
      it.each(cases)("%j", async (departures) => {
        const run = { predictor: predictors[sampler], noise: noises.geometric, steps: 3 };
        const counts = await drawnCounts(truth, { noise: run.noise, sampler, steps: 3, count: 30_000, ...departures }, tableScore(truth));
        expect(rejects(counts, runLaw(truth, { ...run, change: departed(departures) }))).toBe(false);
        expect(rejects(counts, runLaw(truth, run))).toBe(true);
      });
    });
    it("in the corrector too", async () => {
      const [noise, departures] = [noises.loglinear, { temperature: 0.5 }];
      const change = departed(departures);
      const run = {
        ...{ predictor: predictors.analytic, noise, steps: 2, change },
        corrector: (law: Float64Array, sigma: number) =>
          corrected(truth, law, sigma, [0, 1, 2], 1, (state, i) =>
            change(
              positionLaw(truth, { ...eventLaw(truth.graph), gain: 1, drain: 0, stay: () => 1 }, sigma, state, i),
              truth.noisy.at(state)[i]!,
              i,
            ),
          ),
      };
      const counts = await drawnCounts(
        truth,
        { noise, sampler: "analytic", steps: 2, count: 30_000, corrector: {}, ...departures },
        tableScore(truth),
      );
      expect(rejects(counts, runLaw(truth, run))).toBe(false);
    });
  });

  it.each(cases)("first-hitting, %j: the mixture over orders", async (departures) => {
    const truth = truths.absorb;
    const { clean, noisy } = truth;
    const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]; // prettier-ignore
    const law = Float64Array.from({ length: 27 }, (_, k) => {
      const x = clean.at(k);
      const chain = (order: readonly number[]) => {
        const state = Int32Array.of(3, 3, 3);
        return order.reduce((p, i) => {
          const own = departed(departures)(positionLaw(truth, eventLaw(truth.graph), 1, noisy.index(state), i), 3, i);
          state[i] = x[i]!;
          return p * own[x[i]!]!;
        }, 1);
      };
      return orders.reduce((sum, order) => sum + chain(order) / 6, 0);
    });
    const score = tableScore(truth, () => 1);
    const counts = await drawnCounts(truth, { noise: noises.loglinear, sampler: "first-hitting", count: 30_000, ...departures }, score);
    expect(rejects(counts, law)).toBe(false);
    expect(rejects(counts, truth.p0)).toBe(true);
  });
});
