/** Prompts on a time grid: draws against the propagated clamped law, and how far that law is from the exact conditional. */
import { describe, expect, it } from "vitest";
import { predictors } from "../../src/diffusion/schedule.ts";
import { expectWrongRejected, noises, truths } from "../support/law-cells.ts";
import { drawnCounts } from "../support/propagation.ts";
import { totalVariation } from "../support/statistics.ts";
import { rejects, runLaw, tableScore } from "../support/step-laws.ts";

type Kind = keyof typeof truths;
const { p0, clean } = truths.absorb;
/** p0 given some of the positions (−1: not given). */
const conditional = (given: readonly number[]): Float64Array => {
  const joint = p0.map((p, k) => (clean.at(k).every((x, i) => given[i] === -1 || given[i] === x) ? p : 0));
  const total = joint.reduce((a, b) => a + b);
  return joint.map((p) => p / total);
};

describe.each(["absorb", "uniform"] as const)("%s", (kind) => {
  const truth = truths[kind];
  const score = tableScore(truth);
  describe.each([
    ["analytic", "geometric"],
    ["euler", "loglinear"],
  ] as const)("%s, %s", (sampler, schedule) => {
    it.each([
      [[1, -1, -1], 1],
      [[-1, 2, -1], 4],
      [[0, -1, 1], 8],
      [[-1, -1, 0], 16],
    ])("%j given, K = %d: 1e5 draws follow the propagated clamped law, and not a wrong sampler's", async (fixed, steps) => {
      const given = Int32Array.from(fixed);
      const options = { noise: noises[schedule], sampler, steps, given, maxRows: 8192 };
      const law = runLaw(truth, { predictor: predictors[sampler], noise: noises[schedule], steps, given });
      const counts = await drawnCounts(truth, { ...options, count: 100_000 }, score);
      expect(rejects(counts, law)).toBe(false);
      expectWrongRejected(truth, counts, { predictor: predictors[sampler], noise: noises[schedule], steps, given });
    });
  });
});

describe("the clamped law and the exact conditional", () => {
  const given = [1, -1, -1];
  const distance = (kind: Kind, steps: number) =>
    totalVariation(
      runLaw(truths[kind], { predictor: predictors.analytic, noise: noises.loglinear, steps, given: Int32Array.from(given) }),
      conditional(given),
    );
  it("absorb: clamping is conditioning as K grows", () => {
    // First order in 1/K: at 128 steps a few thousandths.
    expect(distance("absorb", 128)).toBeLessThan(0.005);
    expect(distance("absorb", 32) / distance("absorb", 128)).toBeGreaterThan(3);
  });
  it("uniform: clamping is an approximation; its distance, 0.24 here, does not go away", () => {
    // Exact numbers: 0.2425 at 128 steps, 0.2402 at 1,024.
    for (const steps of [128, 1024]) expect(distance("uniform", steps)).toBeCloseTo(0.2413, 2);
  });
});
