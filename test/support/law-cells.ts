/**
 * The sampler's law, cell by cell: for one graph both noises, both predictors and K = 1 … 64 steps with the exact score of an enumerable distribution; 2e5 draws
 * through the sampling loop against the exactly propagated law, and wrong samplers that the same test must reject.
 */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { geometric, logLinear } from "../../src/diffusion/noise.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { golden } from "./fixtures.ts";
import { type Oracle, oracle } from "./oracle.ts";
import { drawnCounts } from "./propagation.ts";
import { totalVariation } from "./statistics.ts";
import { rejects, runLaw, type RunLaw, tableScore, withScores } from "./step-laws.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
export const truths = { absorb: oracle(absorb(3), p0, 3), uniform: oracle(uniform(3), p0, 3) };
export const noises = { loglinear: logLinear(), geometric: geometric() };

/** A missing factor, a wrong power, and the 1 at the current state left out. */
const wrongScores = { "a missing factor": (l: number) => l - Math.LN2, "a wrong power": (l: number) => l / 2 };
/** s_x = 0 instead of 1: the weights are linear in the score, so its share goes, drain at y and stay(0) at x. */
const withoutOne: RunLaw["wrong"] = (weights, x, law) => weights.map((w, y) => (y === x ? w - law.stay(0) : w + law.drain));

/**
 * Where all is decided at once (K = 1) some mistakes change nothing. Those that move the law by 2 % are at least 4·0.02²·1e5 = 160 in the statistic of 1e5 draws, of
 * which 81 suffice; at least one does.
 */
export function expectWrongRejected(truth: Oracle, counts: Float64Array, run: RunLaw): void {
  const right = runLaw(truth, run);
  const wrong = {
    ...Object.fromEntries(Object.entries(wrongScores).map(([name, change]) => [name, runLaw(withScores(truth, change), run)])),
    "the 1 left out": runLaw(truth, { ...run, wrong: withoutOne }),
  };
  const seen = Object.entries(wrong).filter(([, law]) => totalVariation(law, right) > 0.02);
  expect(seen.length).toBeGreaterThan(0);
  for (const [name, law] of seen) expect({ name, rejected: rejects(counts, law) }).toEqual({ name, rejected: true });
}

export function lawCells(kind: "absorb" | "uniform"): void {
  const truth = truths[kind];
  const score = tableScore(truth);
  describe.each(["loglinear", "geometric"] as const)(`${kind}, %s`, (schedule) => {
    describe.each(["analytic", "euler"] as const)("%s", (sampler) => {
      const noise = noises[schedule];
      const predictor = predictors[sampler];
      it.each([1, 2, 4, 8, 64])("K = %d: 2e5 draws follow the propagated law, and not a wrong sampler's", async (steps) => {
        const right = runLaw(truth, { predictor, noise, steps });
        expect(right.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
        const options = { noise, sampler, steps, maxRows: 8192 };
        const counts = await drawnCounts(truth, { ...options, count: 200_000 }, score);
        expect(rejects(counts, right)).toBe(false);

        expectWrongRejected(truth, counts, { predictor, noise, steps });
        const powerless = withScores(truth, wrongScores["a wrong power"]);
        if (totalVariation(runLaw(powerless, { predictor, noise, steps }), right) > 0.1)
          expect(rejects(await drawnCounts(truth, { ...options, count: 10_000 }, tableScore(powerless)), right)).toBe(true);
      });
    });
  });
}
