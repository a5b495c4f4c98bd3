/** Time grids: their ends, what each is even in, and that they are other samplers with the law of their own times. */
import { describe, expect, it } from "vitest";
import { gridNames, lastTime, timeGrid } from "../../src/diffusion/grid.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { noises, truths } from "../support/law-cells.ts";
import { drawnCounts } from "../support/propagation.ts";
import { totalVariation } from "../support/statistics.ts";
import { rejects, runLaw, tableScore } from "../support/step-laws.ts";

/** Largest relative difference between the gaps of neighbouring values. */
const unevenness = (values: Float64Array): number => {
  const gaps = [...values.subarray(1)].map((value, k) => values[k]! - value);
  return Math.max(...gaps) / Math.min(...gaps) - 1;
};

describe.each(["loglinear", "geometric"] as const)("%s", (schedule) => {
  const noise = noises[schedule];
  it.each(gridNames)("%s falls from 1 to 1e-5, both exactly", (grid) => {
    for (const steps of [1, 2, 3, 7, 128, 1000, 100_000]) {
      const times = timeGrid(steps, noise, grid);
      expect([times.length, times[0], times[steps]]).toEqual([steps + 1, 1, lastTime]);
      expect(times.every((t, k) => k === 0 || t < times[k - 1]!)).toBe(true);
    }
  });
  it("linear is linspace(1, 1e-5, K + 1), and what is taken if nothing is said", () => {
    const times = timeGrid(50, noise);
    times.forEach((t, k) => expect(Math.abs(t - (1 - (k * (1 - 1e-5)) / 50))).toBeLessThan(1e-15));
    expect(timeGrid(50, noise, "linear")).toEqual(times);
  });
  // Even to what float64 leaves of a time after two inversions: 1e-9 of a gap.
  it("log-sigma is even in log σ, share in 1 − e^{−σ}, cosine in the angle", () => {
    expect(unevenness(timeGrid(40, noise, "log-sigma").map((t) => Math.log(noise.sigma(t))))).toBeLessThan(1e-9);
    expect(unevenness(timeGrid(40, noise, "share").map((t) => -Math.expm1(-noise.sigma(t))))).toBeLessThan(1e-9);
    timeGrid(40, noise, "cosine").forEach((t, k) => k < 40 && expect(t).toBeCloseTo(Math.cos((k * Math.PI) / 80), 14));
  });
});

it("each noise has its own linear grid: share under log-linear, log-sigma under geometric", () => {
  const close = (a: Float64Array, b: Float64Array) => a.forEach((t, k) => expect(Math.abs(t - b[k]!)).toBeLessThan(1e-12));
  close(timeGrid(9, noises.loglinear, "share"), timeGrid(9, noises.loglinear, "linear"));
  close(timeGrid(9, noises.geometric, "log-sigma"), timeGrid(9, noises.geometric, "linear"));
});

describe.each(["absorb", "uniform"] as const)("draws follow the law of their own grid, %s", (kind) => {
  const truth = truths[kind];
  it.each(["cosine", "log-sigma", "share"] as const)("%s", async (grid) => {
    const run = { predictor: predictors.analytic, noise: noises.geometric, steps: 2 };
    const [own, linear] = [runLaw(truth, { ...run, grid }), runLaw(truth, run)];
    const options = { noise: run.noise, sampler: "analytic", steps: 2, grid, count: 50_000 } as const;
    const counts = await drawnCounts(truth, options, tableScore(truth));
    expect(rejects(counts, own)).toBe(false);
    if (totalVariation(own, linear) > 0.02) expect(rejects(counts, linear)).toBe(true);
    else expect(grid).toBe("log-sigma"); // geometric noise's own linear grid
  });
});
