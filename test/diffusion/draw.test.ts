/** What a stage costs and what it tells: no call where nothing can move, the same bits with and without a known sum, and the probability of each change. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { type Frame, run, type RunOptions } from "../../src/diffusion/sampler.ts";
import { finalStage, gridStages, predictors } from "../../src/diffusion/schedule.ts";
import type { ScoreModel } from "../../src/diffusion/score.ts";
import { noises, truths } from "../support/law-cells.ts";
import { constrained, departed, positionLaw, tableScore } from "../support/step-laws.ts";

const framesOf = async (score: ScoreModel, options: Omit<RunOptions, "noise" | "seed"> & Partial<RunOptions>): Promise<Frame[]> => {
  const frames: Frame[] = [];
  for await (const frame of run(score, { noise: noises.loglinear, seed: 8, ...options })) frames.push(frame);
  return frames;
};

describe("a known sum", () => {
  const V = 5;
  const known = (sigma: number): number => 1 / Math.expm1(sigma);
  /** Scores whose sum is known, and that depend on the whole row; counts what it is asked. */
  function counting(knows: boolean): ScoreModel & { calls: number } {
    const model = {
      graph: absorb(V),
      calls: 0,
      ...(knows ? { knownSum: known } : {}),
      async evaluate(tokens: Int32Array, sigma: Float64Array, positions: Int32Array) {
        model.calls++;
        const length = tokens.length / sigma.length;
        const rowOf = (j: number): number => Math.floor(positions[j]! / length);
        return {
          sums: async () => Float64Array.from(positions, (_, j) => known(sigma[rowOf(j)]!)),
          at: () => expect.fail("not asked"),
          rows: async (which: Int32Array) =>
            Float64Array.from([...which].flatMap((j) => {
              const row = tokens.subarray(rowOf(j) * length, (rowOf(j) + 1) * length);
              const key = row.reduce((sum, token, i) => (sum * 31 + token + i) % 1009, positions[j]! % length);
              const own = Array.from({ length: V }, (_, y) => Math.exp(Math.sin(key + 2 * y)));
              const total = own.reduce((a, b) => a + b);
              return [...own.map((w) => Math.log((w / total) * known(sigma[rowOf(j)]!))), 0];
            })), // prettier-ignore
        };
      },
    };
    return model;
  }

  it.each<Partial<RunOptions>>([
    {},
    { sampler: "euler", noise: noises.geometric },
    { grid: "cosine", temperature: 0.7 },
    { corrector: {} },
    { corrector: { positions: 3, calls: 2 }, maxRows: 2 },
    { sampler: "first-hitting", corrector: {} },
    { constraints: [{ forbid: [2] }] },
  ])("gives the same bits with fewer calls: %j", async (options) => {
    const [with_, without] = [counting(true), counting(false)];
    const all = { length: 12, steps: 60, count: 3, ...options };
    const [a, b] = [await framesOf(with_, all), await framesOf(without, all)];
    const withoutCalls = (frame: Frame) => ({ ...frame, calls: 0 });
    expect(a.map(withoutCalls)).toEqual(b.map(withoutCalls));
    expect(with_.calls).toBe(a.at(-1)!.calls);
    if (options.sampler === "first-hitting") expect(with_.calls).toBe(without.calls);
    else expect(with_.calls).toBeLessThan(without.calls);
  });
  it("makes a call exactly in the steps in which something is written", async () => {
    const score = counting(true);
    const frames = await framesOf(score, { length: 12, steps: 1000 });
    frames.slice(1).forEach((frame, k) => expect(frame.calls - frames[k]!.calls).toBe(Number(frame.changed.length > 0)));
    expect(score.calls).toBeLessThanOrEqual(12);
  });
  it("a signal is heard in steps without calls", async () => {
    const controller = new AbortController();
    let turns = 0;
    const pause = async () => {
      if (++turns === 50) controller.abort(new Error("enough"));
    };
    await expect(framesOf(counting(true), { length: 1, steps: 100_000, signal: controller.signal, pause })).rejects.toThrow("enough");
  });
});

describe.each(["absorb", "uniform"] as const)("the probability of each change is the step's law's, %s", (kind) => {
  const truth = truths[kind];
  const { graph, noisy } = truth;
  const tokens = [0, 2];
  const change = constrained((i) => (i === 1 ? tokens : undefined), graph.mask);
  const sharp = departed({ temperature: 0.6 });
  it.each([
    ["as it is", "analytic", {}, undefined],
    ["as it is", "euler", {}, undefined],
    ["at a temperature", "analytic", { temperature: 0.6 }, sharp],
    ["constrained", "euler", { constraints: [{ positions: [1], allow: tokens }] }, change],
  ] as const)("%s, %s", async (_, sampler, options, changed) => {
    const steps = 4;
    // Uniform: e^Δ cancels in the weights, at Δ = 15 in eight digits, and the test would measure that.
    const noise = noises[kind === "absorb" ? "geometric" : "loglinear"];
    const frames = await framesOf(tableScore(truth), { length: 3, steps, sampler, count: 400, ...options, noise });
    const stages = [...gridStages(predictors[sampler], graph, noise, steps), finalStage(graph, noise, steps)];
    let seen = 0;
    stages.forEach((stage, k) => {
      const [before, after] = [frames[k]!, frames[k + 1]!];
      after.changed.forEach((at, j) => {
        const state = noisy.index(before.tokens, at - (at % 3));
        const law = positionLaw(truth, stage.law, stage.asked as number, state, at % 3, undefined, changed);
        // Two sums of three or four terms, in float64.
        expect(after.probability[j]! / law[after.tokens[at]!]!).toBeCloseTo(1, 9);
        seen++;
      });
    });
    expect(seen).toBeGreaterThan(1000);
  });
});
