/** First-hitting with the exact score: draws against p0 itself and its exact conditionals, and what several events in a call do instead. */
import { describe, expect, it, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { firstHittingStages } from "../../src/diffusion/firsthitting.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { denseScore, type ScoreModel } from "../../src/diffusion/score.ts";
import { random } from "../../src/platform/random.ts";
import { noises, truths } from "../support/law-cells.ts";
import { drawnCounts } from "../support/propagation.ts";
import { rejects, tableScore } from "../support/step-laws.ts";

const draws = 200_000;

/** A score whose rows are another's, asked at σ = 1, and a number for each σ. */
const shifted = (score: ScoreModel, shift: (sigma: number) => number): ScoreModel => ({
  graph: score.graph,
  async evaluate(tokens, sigma, positions) {
    const at = await score.evaluate(tokens, new Float64Array(sigma.length).fill(1), positions);
    const length = tokens.length / sigma.length;
    return {
      ...at,
      rows: async (which) => {
        const rows = await at.rows(which);
        for (let k = 0; k < which.length; k++) {
          const own = shift(sigma[Math.floor(positions[which[k]!]! / length)]!);
          for (let y = 0; y < 4; y++) rows[k * 4 + y]! += own;
        }
        return rows;
      },
    };
  },
});

test("the clock: of n events the k-th is at the k-th largest of n even numbers, in every sequence by itself", () => {
  const [n, sequences, cells] = [5, 20_000, 20];
  const randoms = Array.from({ length: sequences }, (_, r) => random(3, r));
  const stages = firstHittingStages(
    absorb(3),
    logLinear(),
    Int32Array.from({ length: n }, (_, i) => i),
    randoms,
  );
  const choose = [1, 5, 10, 10, 5, 1];
  /** P(share ≤ x) of the share at event k, counted from 0: at least n − k of n even numbers lie below x. */
  const below = (k: number, x: number): number =>
    choose.reduce((sum, ways, j) => (j >= n - k ? sum + ways * x ** j * (1 - x) ** (n - j) : sum), 0);
  stages.forEach(({ asked }, k) => {
    const counts = new Float64Array(cells);
    for (const sigma of asked as Float64Array) counts[Math.min(cells - 1, Math.floor(-Math.expm1(-sigma) * cells))]!++;
    const law = (event: number) => Float64Array.from({ length: cells }, (_, c) => below(event, (c + 1) / cells) - below(event, c / cells));
    expect(rejects(counts, law(k))).toBe(false);
    // That of a clock without the exponent 1/(n − k) would be told apart: the neighbours' laws are.
    expect(rejects(counts, law(k === 0 ? 1 : k - 1))).toBe(true);
  });
});

describe("first-hitting", () => {
  const truth = truths.absorb;
  const { p0 } = truth;
  const sampler = "first-hitting";
  // Every event has its own σ. Under absorb the exact score is one table times 1/(e^σ−1) (predictors.test.ts checks the oracle at five σ), so one will do.
  const score = shifted(tableScore(truth), (sigma) => Math.log(Math.expm1(1) / Math.expm1(sigma)));
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
  it.each([[[-1, 2, -1]], [[1, -1, -1]], [[-1, -1, 0]], [[0, -1, 1]]])(
    "with %j given it samples the exact conditional, and no other",
    async (fixed) => {
      const given = Int32Array.from(fixed);
      const conditional = lawOf((x) => (x.every((token, i) => fixed[i] === -1 || fixed[i] === token) ? mass(x) / mass(fixed) : 0));
      const options = { noise: noises.loglinear, sampler, given, count: 100_000 } as const;
      const counts = await drawnCounts(truth, options, score);
      expect(rejects(counts, conditional)).toBe(false);
      // Scores that have lost a factor for one token.
      const partial = tableScore({
        ...truth,
        logScore: (sigma, state) => truth.logScore(sigma, state).map((l, k) => (k % 4 === 1 ? l - 0.2 : l)),
      });
      expect(
        rejects(
          await drawnCounts(
            truth,
            { ...options, count: 50_000 },
            shifted(partial, () => 0),
          ),
          conditional,
        ),
      ).toBe(true);
    },
  );
});
