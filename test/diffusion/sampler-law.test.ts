/** Draws through the sampling loop against exactly propagated laws: chi-square at α = 1e-6 with fixed seeds, and wrong samplers that must be rejected. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { geometric, logLinear } from "../../src/diffusion/noise.ts";
import { predictors, type Predictor } from "../../src/diffusion/schedule.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { golden } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";
import { drawnCounts, propagatedLaw } from "../support/propagation.ts";
import { chiSquare, chiSquareLimit, totalVariation } from "../support/statistics.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const truths: Record<Graph["kind"], ReturnType<typeof oracle>> = { absorb: oracle(absorb(3), p0, 3), uniform: oracle(uniform(3), p0, 3) };
const noises = { loglinear: logLinear(), geometric: geometric() };
const draws = 200_000;

const rejects = (counts: Float64Array, law: Float64Array): boolean => {
  const { statistic, freedom } = chiSquare(counts, law);
  return statistic > chiSquareLimit(freedom);
};

describe.each(["absorb", "uniform"] as const)("draws follow the propagated law, %s", (kind) => {
  const truth = truths[kind];
  it.each([
    ["analytic", "loglinear", 1],
    ["euler", "geometric", 2],
    ["analytic", "geometric", 4],
    ["euler", "loglinear", 8],
    ["analytic", "loglinear", 8],
  ] as const)("%s, %s, K = %d", async (sampler, schedule, steps) => {
    const noise = noises[schedule];
    const law = propagatedLaw(truth, predictors[sampler], noise, steps);
    expect(law.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(rejects(await drawnCounts(truth, { noise, sampler, steps, count: draws }), law)).toBe(false);
  });

  it("the test rejects wrong samplers: a missing factor in the score, the 1 at x left out, Euler for analytic", async () => {
    const [noise, steps] = [noises.geometric, 4];
    const right = propagatedLaw(truth, predictors.analytic, noise, steps);
    const halved = denseScore((tokens, sigma) => truth.score(tokens, sigma).map((l) => l - Math.LN2), truth.graph);
    const options = { noise, sampler: "analytic", steps, count: 20_000 } as const;
    expect(rejects(await drawnCounts(truth, options, halved), right)).toBe(true);
    const counts = await drawnCounts(truth, options);
    expect(rejects(counts, right)).toBe(false);
    const withoutOne: Predictor = (...step) => {
      const law = predictors.analytic(...step);
      return { ...law, drain: 0, stay: (sum) => law.stay(sum) - 1 };
    };
    expect(rejects(counts, propagatedLaw(truth, withoutOne, noise, steps))).toBe(true);
    expect(rejects(counts, propagatedLaw(truth, predictors.euler, noise, steps))).toBe(true);
  });
});

describe("first-hitting", () => {
  const truth = truths.absorb;
  const sampler = "first-hitting";
  // Every event has its own σ. Under absorb the exact score is one table times 1/(e^σ−1) (predictors.test.ts checks the oracle at five σ), so one will do.
  const score = denseScore((tokens, sigma) => {
    const out = truth.score(tokens, new Float64Array(sigma.length).fill(1));
    const width = out.length / sigma.length;
    return out.map((l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / width)]!)));
  }, truth.graph);
  it("the score used here is exact", async () => {
    const tokens = Int32Array.of(3, 0, 3);
    for (const sigma of [1e-3, 0.4, 6]) {
      const at = async (model: typeof score) =>
        (await model.evaluate(tokens, Float64Array.of(sigma), Int32Array.of(0, 2))).rows(Int32Array.of(0, 1));
      const [quick, exact] = [await at(score), await at(denseScore(truth.score, truth.graph))];
      quick.forEach((l, k) => k % 4 !== 3 && expect(Math.abs(l - exact[k]!)).toBeLessThan(1e-12));
    }
  });
  /** Σ of p0 over sequences that agree with `fixed` (−1: anything). */
  const mass = (fixed: readonly number[]) =>
    p0.reduce((sum, p, k) => sum + (truth.clean.at(k).every((x, i) => fixed[i] === -1 || fixed[i] === x) ? p : 0), 0);
  const lawOf = (f: (x: number[]) => number) => Float64Array.from({ length: 27 }, (_, k) => f([...truth.clean.at(k)]));

  it.each(["loglinear", "geometric"] as const)("one call per event samples p0 itself (%s)", async (schedule) => {
    expect(rejects(await drawnCounts(truth, { noise: noises[schedule], sampler, count: draws }, score), p0)).toBe(false);
  });
  it("more calls than events are not made", async () => {
    const some = { noise: noises.loglinear, sampler, count: 5_000 } as const;
    expect(await drawnCounts(truth, { ...some, steps: 50 }, score)).toEqual(await drawnCounts(truth, some, score));
  });
  it("all events in one call give independent marginals, two calls the mixture in between; neither is p0", async () => {
    const only = (x: readonly number[], ...keep: number[]) => x.map((token, i) => (keep.includes(i) ? token : -1));
    const one = lawOf((x) => [0, 1, 2].reduce((p, i) => p * mass(only(x, i)), 1));
    const two = lawOf((x) =>
      [0, 1, 2].reduce(
        (sum, i) =>
          sum + [0, 1, 2].filter((j) => j !== i).reduce((p, j) => (p * mass(only(x, i, j))) / mass(only(x, i)), mass(only(x, i))) / 3,
        0,
      ),
    );
    for (const [steps, law] of [
      [1, one],
      [2, two],
    ] as const) {
      const counts = await drawnCounts(truth, { noise: noises.loglinear, sampler, steps, count: 50_000 }, score);
      expect(rejects(counts, law)).toBe(false);
      expect(rejects(counts, p0)).toBe(true);
    }
  });
  it("with a prompt it samples the exact conditional", async () => {
    const given = Int32Array.of(-1, 2, -1);
    const conditional = lawOf((x) => (x[1] === 2 ? mass(x) / mass([-1, 2, -1]) : 0));
    expect(rejects(await drawnCounts(truth, { noise: noises.loglinear, sampler, given, count: 50_000 }, score), conditional)).toBe(false);
  });
});

describe("prompts", () => {
  const given = Int32Array.of(1, -1, -1);
  const p1 = p0.map((p, k) => (k >= 9 && k < 18 ? p : 0));
  const conditional = p1.map((p) => p / p1.reduce((a, b) => a + b));
  it.each([
    ["absorb", "analytic", "loglinear"],
    ["absorb", "euler", "geometric"],
    ["uniform", "analytic", "geometric"],
    ["uniform", "euler", "loglinear"],
  ] as const)("%s, %s, %s: draws follow the propagated clamped law", async (kind, sampler, schedule) => {
    const law = propagatedLaw(truths[kind], predictors[sampler], noises[schedule], 4, given);
    expect(rejects(await drawnCounts(truths[kind], { noise: noises[schedule], sampler, steps: 4, given, count: 50_000 }), law)).toBe(false);
  });
  it("clamping is conditioning under absorb as K grows, and an approximation under uniform", () => {
    const distance = (kind: Graph["kind"], steps: number) =>
      totalVariation(propagatedLaw(truths[kind], predictors.analytic, noises.loglinear, steps, given), conditional);
    // First order in 1/K: at 128 steps a few thousandths; ten times that is a bias which does not go away.
    expect(distance("absorb", 128)).toBeLessThan(0.005);
    expect(distance("absorb", 32) / distance("absorb", 128)).toBeGreaterThan(3);
    expect(distance("uniform", 128)).toBeGreaterThan(0.02);
  });
});
