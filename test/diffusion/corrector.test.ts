/** The corrector leaves p_σ as it is (by enumeration), draws follow its law, wrong ones are rejected, and it brings few steps closer to the data's law. */
import { describe, expect, it } from "vitest";
import { gibbsLaw } from "../../src/diffusion/corrector.ts";
import { eventLaw } from "../../src/diffusion/firsthitting.ts";
import { normalised } from "../../src/diffusion/law.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { type Frame, run } from "../../src/diffusion/sampler.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { UserError } from "../../src/platform/errors.ts";
import { noises, truths } from "../support/law-cells.ts";
import { drawnCounts } from "../support/propagation.ts";
import { totalVariation } from "../support/statistics.ts";
import { choices, conditional, corrected, positionLaw, rejects, runLaw, tableScore, withScores } from "../support/step-laws.ts";

const largest = (a: Float64Array, b: Float64Array): number => a.reduce((most, p, k) => Math.max(most, Math.abs(p - b[k]!)), 0);
const sigmas = [1e-4, 0.1, 1, 6];

describe.each(["absorb", "uniform"] as const)("%s", (kind) => {
  const truth = truths[kind];
  const { noisy, graph } = truth;
  const gibbs = gibbsLaw(graph);
  const moved = (law: Float64Array, sigma: number, holes: number[], n = 1, wrong = gibbs) =>
    corrected(truth, law, sigma, holes, n, (state, i) => positionLaw(truth, wrong, sigma, state, i));

  it("its law at a position is p_σ given the rest", () => {
    for (const sigma of sigmas)
      for (let state = 0; state < noisy.size; state++)
        for (let i = 0; i < 3; i++) {
          if (graph.mask !== undefined && noisy.at(state)[i] !== graph.mask) continue;
          expect(largest(positionLaw(truth, gibbs, sigma, state, i), conditional(truth, sigma, state, i))).toBeLessThan(1e-12);
        }
  });
  it("one position a call leaves p_σ as it is, to 1e-12, and p_σ given a prompt", () => {
    for (const sigma of sigmas) {
      const p = truth.marginal(sigma);
      expect(largest(moved(p, sigma, [0, 1, 2]), p)).toBeLessThan(1e-12);
      for (const [given, holes] of [
        [
          [-1, 2, -1],
          [0, 2],
        ],
        [[1, -1, 0], [1]],
      ] as const) {
        const clamped = normalised(p.map((q, k) => (noisy.at(k).every((x, i) => given[i] === -1 || given[i] === x) ? q : 0)));
        expect(largest(moved(clamped, sigma, [...holes]), clamped)).toBeLessThan(1e-12);
      }
    }
  });
  it("a wrong one does not: a missing factor, the current state left out, several positions at once", () => {
    const p = truth.marginal(0.5);
    expect(largest(moved(p, 0.5, [0, 1, 2], 1, { ...gibbs, gain: 0.5 }), p)).toBeGreaterThan(1e-3);
    expect(largest(moved(p, 0.5, [0, 1, 2], 1, { ...gibbs, stay: () => 0 }), p)).toBeGreaterThan(1e-3);
    expect(largest(moved(p, 0.5, [0, 1, 2], 2), p)).toBeGreaterThan(1e-3);
  });

  it.each([
    [{}, 2, [-1, -1, -1]],
    [{ positions: 2 }, 3, [-1, -1, -1]],
    [{ positions: 5, calls: 2 }, 2, [-1, 2, -1]],
    [{ calls: 3, from: 0.4 }, 4, [-1, -1, -1]],
  ])("draws with corrector %j, K = %d, given %j follow the propagated law of predictor and corrector", async (corrector, steps, fixed) => {
    const given = Int32Array.from(fixed);
    const holes = [0, 1, 2].filter((i) => fixed[i] === -1);
    const { positions = 1, calls = 1, from = 1 } = corrector as { positions?: number; calls?: number; from?: number };
    const noise = noises.loglinear;
    const lawWith = (redraw?: (sigma: number) => (state: number, i: number) => Float64Array) =>
      runLaw(truth, {
        ...{ predictor: predictors.analytic, noise, steps, given },
        corrector(law, sigma) {
          for (let k = 0; k < calls && noise.time(sigma) <= from; k++)
            law = corrected(truth, law, sigma, holes, positions, redraw?.(sigma));
          return law;
        },
      });
    const counts = await drawnCounts(truth, { noise, sampler: "analytic", steps, given, corrector, count: 100_000 }, tableScore(truth));
    expect(rejects(counts, lawWith())).toBe(false);
    const blunt = withScores(truth, (l) => l / 2);
    expect(
      rejects(
        counts,
        lawWith((sigma) => (state, i) => positionLaw(blunt, gibbs, sigma, state, i)),
      ),
    ).toBe(true);
    expect(rejects(counts, runLaw(truth, { predictor: predictors.analytic, noise, steps, given }))).toBe(true);
  });

  it("brings few steps closer to p0, the more the oftener", () => {
    const distance = (calls: number, steps = 4) =>
      totalVariation(
        runLaw(truth, {
          ...{ predictor: predictors.analytic, noise: noises.loglinear, steps },
          corrector(law, sigma) {
            for (let k = 0; k < calls; k++) law = corrected(truth, law, sigma, [0, 1, 2], 1);
            return law;
          },
        }),
        truth.p0,
      );
    const far = [0, 1, 3, 10].map((calls) => distance(calls));
    console.log(`${kind}: TV to p0 at K = 4 with 0, 1, 3, 10 corrector calls a step: ${far.map((d) => d.toFixed(4)).join(", ")}`);
    far.forEach((d, k) => k > 0 && expect(d).toBeLessThan(far[k - 1]!));
  });
});

describe("first-hitting", () => {
  const truth = truths.absorb;
  const { noisy, p0, clean } = truth;
  /** The law with some positions masked: those of p0 elsewhere. */
  const hidden = (where: readonly number[]) => {
    const out = new Float64Array(noisy.size);
    p0.forEach((p, k) => {
      const x = clean.at(k);
      for (const i of where) x[i] = 3;
      out[noisy.index(x)]! += p;
    });
    return out;
  };
  const event = (state: number, i: number) => positionLaw(truth, eventLaw(truth.graph), 0.7, state, i);

  it("redrawing a written token leaves the law given the places of the masks as it is, to 1e-12", () => {
    for (const masks of [0, 1, 2])
      for (const where of choices([0, 1, 2], masks)) {
        const law = hidden(where);
        const written = [0, 1, 2].filter((i) => !where.includes(i));
        expect(largest(corrected(truth, law, 0.7, written, 1, event), law)).toBeLessThan(1e-12);
        if (masks === 0) expect(largest(corrected(truth, law, 0.7, written, 2, event), law)).toBeGreaterThan(1e-3);
      }
  });
  it("draws follow the propagated law: all positions in one call, then redrawn", async () => {
    const score = tableScore(truth, () => 1);
    const options = { noise: noises.loglinear, sampler: "first-hitting", steps: 1, count: 100_000 } as const;
    const marginals = [0, 1, 2].map((i) => positionLaw(truth, eventLaw(truth.graph), 1, noisy.index([3, 3, 3]), i));
    let law: Float64Array = Float64Array.from({ length: noisy.size }, (_, k) => noisy.at(k).reduce((p, x, i) => p * marginals[i]![x]!, 1));
    const before = Float64Array.from({ length: clean.size }, (_, k) => law[noisy.index(clean.at(k))]!);
    for (let call = 0; call < 4; call++) law = corrected(truth, law, 1, [0, 1, 2], 1, event);
    const after = Float64Array.from({ length: clean.size }, (_, k) => law[noisy.index(clean.at(k))]!);
    const counts = await drawnCounts(truth, { ...options, corrector: { calls: 4 } }, score);
    expect(rejects(counts, after)).toBe(false);
    expect(rejects(counts, before)).toBe(true);
    expect(totalVariation(after, p0)).toBeLessThan(totalVariation(before, p0) / 2);
  });
  it("in each of several sequences it redraws what that one has written, and nothing else", async () => {
    const options = { noise: noises.loglinear, sampler: "first-hitting", length: 3, count: 50, seed: 4 } as const;
    const score = denseScore(truth.score, truth.graph);
    for (const positions of [1, 2]) {
      let before: Int32Array = new Int32Array(0);
      let redrawn = 0;
      for await (const { kind, tokens, changed } of run(score, { ...options, corrector: { calls: 2, positions } })) {
        if (kind === "correct") for (const at of changed) expect([before[at] === 3, tokens[at] === 3]).toEqual([false, false]);
        if (kind === "correct") redrawn += changed.length;
        before = tokens.slice();
      }
      expect(redrawn).toBeGreaterThan(50);
    }
  });
  it("one event and one redrawn position a call sample p0 itself", async () => {
    const options = { noise: noises.loglinear, sampler: "first-hitting", corrector: { calls: 2 }, count: 50_000 } as const;
    const score = tableScore(truth, () => 1);
    expect(rejects(await drawnCounts(truth, options, score), p0)).toBe(false);
    expect(rejects(await drawnCounts(truth, { ...options, corrector: { calls: 2, positions: 3 } }, score), p0)).toBe(true);
  });
  it("a time window goes by each sequence's own clock, so that sample i does not depend on the others", async () => {
    const options = { noise: noises.loglinear, sampler: "first-hitting", corrector: { from: 0.5 }, seed: 3, length: 3 } as const;
    const last = async (count: number) => {
      let tokens: Int32Array = new Int32Array(0);
      for await (const frame of run(denseScore(truth.score, truth.graph), { ...options, count })) tokens = frame.tokens;
      return tokens;
    };
    expect(await last(1)).toEqual((await last(5)).subarray(0, 3));
  });
});

describe("frames", () => {
  const framesOf = async (kind: "absorb" | "uniform", given?: Int32Array) => {
    const frames: Frame[] = [];
    const options = { noise: noises.loglinear, length: 3, steps: 6, count: 20, seed: 5, corrector: { positions: 2 }, given };
    for await (const frame of run(denseScore(truths[kind].score, truths[kind].graph), options)) frames.push(frame);
    return frames;
  };
  it.each(["absorb", "uniform"] as const)(
    "%s: one for each predictor step and each call of the corrector; what changed, and what is given",
    async (kind) => {
      const given = Int32Array.of(-1, 1, -1);
      const frames = await framesOf(kind, given);
      expect(frames.map((frame) => frame.kind)).toEqual([
        "start",
        ...Array.from({ length: 6 }, () => ["predict", "correct"]).flat(),
        "denoise",
      ]);
      frames.slice(1).forEach((frame, k) => {
        const before = frames[k]!.tokens;
        expect([...frame.changed]).toEqual([...before.keys()].filter((i) => frame.tokens[i] !== before[i]));
        expect(frame.probability).toHaveLength(frame.changed.length);
        expect(frame.probability.every((p) => p > 0 && p <= 1)).toBe(true);
        frame.tokens.forEach((token, i) => i % 3 === 1 && expect(token).toBe(1));
      });
      // It does revise: tokens become others, or masks again.
      expect(frames.some((frame) => frame.kind === "correct" && frame.changed.length > 0)).toBe(true);
    },
  );
  it("a MASK put back has the probability 1 − e^{−σ} of the exact score", async () => {
    const frames = (await framesOf("absorb")).filter((frame) => frame.kind === "correct");
    const back = frames.flatMap((frame) =>
      [...frame.changed].flatMap((at, k) => (frame.tokens[at] === 3 ? [[frame.probability[k]!, -Math.expm1(-frame.sigma)]] : [])),
    );
    expect(back.length).toBeGreaterThan(3);
    for (const [probability, expected] of back) expect(probability).toBeCloseTo(expected!, 12);
  });
});

it.each([
  [{ positions: 0 }, "corrector.positions must be a whole number of at least 1, got 0"],
  [{ calls: 1.5 }, "corrector.calls must be a whole number of at least 1, got 1.5"],
  [{ from: 0 }, "corrector.from must be a time above 0 and at most 1, got 0"],
])("%j is refused", async (corrector, message) => {
  const frames = run(denseScore(truths.absorb.score, truths.absorb.graph), { noise: noises.loglinear, length: 3, seed: 1, corrector });
  const error = await frames.next().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toBe(message);
});
