/** Pseudo-likelihood against its definition, each token masked alone under a law over three tokens and three positions. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { summariseBound } from "../../src/diffusion/bound.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { pseudoLikelihoodSamples } from "../../src/diffusion/pseudo-likelihood.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { random } from "../../src/platform/random.ts";
import { golden } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const truth = oracle(absorb(3), p0, 3);
const texts = Array.from({ length: 27 }, (_, k) => truth.clean.at(k));
const score = denseScore(truth.score, absorb(3));
/** Σ_i −log p0(x_i | the other two). */
const defined = texts.map((x, k) =>
  x.reduce((sum, _, i) => sum - Math.log(p0[k]! / [0, 1, 2].reduce((all, y) => all + p0[truth.clean.index(x.with(i, y))]!, 0)), 0),
);

describe("pseudo-likelihood", () => {
  it("is the definition where every position has its turn: three samples of three positions", async () => {
    const samples = await pseudoLikelihoodSamples(score, logLinear(), texts, { samples: 3, random: random(1) });
    texts.forEach((_, w) => {
      const mean = samples.terms.pseudo!.subarray(3 * w, 3 * w + 3).reduce((a, b) => a + b) / 3;
      expect(Math.abs(mean - defined[w]!)).toBeLessThan(1e-10);
    });
    expect(samples.rows).toBe(81);
    expect(summariseBound(samples).standardError).toBe(0);
    // More replicates than positions cost no more, and say no other number.
    const more = await pseudoLikelihoodSamples(score, logLinear(), texts, { samples: 8, random: random(2) });
    expect(more.rows).toBe(81);
    expect(summariseBound(more).total).toBeCloseTo(summariseBound(samples).total, 10);
    expect(summariseBound(more).standardError).toBeLessThan(1e-12);
  });

  it("is that on average with fewer, within its error", async () => {
    const windows = Array.from({ length: 30 }, () => texts).flat();
    const { total, standardError } = summariseBound(
      await pseudoLikelihoodSamples(score, logLinear(), windows, { samples: 2, random: random(2), maxRows: 512 }),
    );
    const exact = 30 * defined.reduce((a, b) => a + b);
    // Two replicates say little of their error; 810 windows give 1 % of the value at most.
    expect(Math.abs(total - exact)).toBeLessThan(0.01 * exact + 3 * standardError);
  });

  it("has a standard error that is what it really varies by, of two positions of three", async () => {
    const repeats = 1500;
    const runs = await Promise.all(
      Array.from({ length: repeats }, async (_, seed) =>
        summariseBound(await pseudoLikelihoodSamples(score, logLinear(), texts, { samples: 2, random: random(seed) })),
      ),
    );
    const mean = runs.reduce((sum, { total }) => sum + total, 0) / repeats;
    const variance = runs.reduce((sum, { total }) => sum + (total - mean) ** 2, 0) / (repeats - 1);
    const told = runs.reduce((sum, { standardError }) => sum + standardError ** 2, 0) / repeats;
    // Of 1,500 runs a variance is known to 4 %; the mean of squared errors of two replicates each too. Without 1 − R/n it would be three times as large.
    expect(Math.abs(told / variance - 1)).toBeLessThan(0.2);
  });

  it("is no bound: the mean over p0 lies below the entropy", () => {
    const mean = (values: ArrayLike<number>) => p0.reduce((sum, p, k) => sum + p * values[k]!, 0);
    expect(mean(defined)).toBeLessThan(mean(p0.map((p) => -Math.log(p))));
  });

  it("needs masks", async () => {
    const other = denseScore((tokens) => new Float64Array(tokens.length * 3), uniform(3));
    await expect(pseudoLikelihoodSamples(other, logLinear(), texts, { random: random(1) })).rejects.toThrow(
      'estimator "pseudo" needs the absorb graph, got uniform',
    );
  });
});
