/** Runs that share calls of the network write what they write alone, bit for bit; they join late, leave early, and bring each other down with nothing. */
import { afterAll, describe, expect, test } from "vitest";
import { run, type RunOptions } from "../../src/diffusion/sampler.ts";
import type { ScoreModel } from "../../src/diffusion/score.ts";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { batchingScore } from "../../src/objectives/batching-score.ts";
import { networkScore, type NetworkScore } from "../../src/objectives/sedd-score.ts";
import { macrotask } from "../../src/platform/node.ts";
import { configOf, parametersOf, variants } from "./support.ts";

const noise = noiseFrom({ kind: "loglinear", eps: 1e-3 });

/** The result of a run. */
async function final(score: ScoreModel, options: Omit<RunOptions, "noise">): Promise<number[]> {
  let last: Int32Array = new Int32Array(0);
  for await (const { tokens } of run(score, { noise, pause: macrotask, ...options })) last = tokens;
  return [...last];
}

describe.each(variants)("%s", (_, config) => {
  const network = networkScore(config, parametersOf(config), { threads: 1 });
  afterAll(() => network.dispose());
  // Lengths that are computed at 16, 16, 32, 16 … positions; counts and steps of their own, so that runs stand at different noise levels.
  const requests = Array.from({ length: 9 }, (_, i) => ({
    seed: 40 + i,
    length: [16, 11, 21, 5][i % 4]!,
    steps: 4 + i,
    count: 1 + (i % 3),
  }));

  test("the same bits as alone, in fewer calls", async () => {
    const calls: { rows: number; runs: number }[] = [];
    const score = batchingScore(network, { onCall: (rows, runs) => calls.push({ rows, runs }) });
    const together = await Promise.all(requests.map((request) => final(score, request)));
    const alone: number[][] = [];
    for (const request of requests) alone.push(await final(network, request));
    expect(together).toEqual(alone);
    expect(Math.max(...calls.map(({ runs }) => runs))).toBeGreaterThan(3);
    expect(calls.some(({ runs, rows }) => rows > runs)).toBe(true);
  });

  test("single answers equal those of calls of their own, exactly", async () => {
    const score = batchingScore(network);
    const parts = [7, 16, 12].map((length, k) => ({
      tokens: Int32Array.from({ length: 2 * length }, (_, i) => (i * 5 + k) % (config.network.states - (i % 2))),
      sigma: Float64Array.of(0.3 + k, 4 - k),
      positions: Int32Array.of(2, length - 1, length + 3),
    }));
    const ask = async (model: ScoreModel, { tokens, sigma, positions }: (typeof parts)[number]) => {
      const answer = await model.evaluate(tokens, sigma, positions);
      return [await answer.sums(), await answer.at(Int32Array.of(1, 0, 3)), await answer.rows(Int32Array.of(2, 0))].map((values) => [
        ...values,
      ]);
    };
    const together = await Promise.all(parts.map((part) => ask(score, part)));
    for (const [k, part] of parts.entries()) expect(together[k]).toEqual(await ask(network, part));
  });
});

const config = configOf("normalized");

test("a run that is aborted leaves at its next step; the others go on to the same end", async () => {
  const network = networkScore(config, parametersOf(config), { threads: 1 });
  const score = batchingScore(network);
  const controller = new AbortController();
  let steps = 0;
  const leaving = (async () => {
    for await (const { step } of run(score, { noise, pause: macrotask, seed: 1, length: 16, steps: 50, signal: controller.signal })) {
      steps = step;
      if (step === 3) controller.abort(new Error("gone"));
    }
  })();
  const staying = final(score, { seed: 2, length: 16, steps: 12 });
  await expect(leaving).rejects.toThrow("gone");
  expect(steps).toBe(3);
  expect(await staying).toEqual(await final(network, { seed: 2, length: 16, steps: 12 }));
  await network.dispose();
});

test("a failing call fails those that are part of it, and nothing after it", async () => {
  const network = networkScore(config, parametersOf(config), { threads: 1 });
  let failing = true;
  const broken: NetworkScore = {
    ...network,
    evaluateRagged: (...args) => {
      if (failing) return Promise.reject(new Error("no memory"));
      return network.evaluateRagged(...args);
    },
  };
  const score = batchingScore(broken);
  const outcomes = await Promise.allSettled([1, 2].map((seed) => final(score, { seed, length: 8, steps: 4 })));
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  failing = false;
  expect(await final(score, { seed: 1, length: 8, steps: 4 })).toHaveLength(8);
  await network.dispose();
});

test("a call is of few enough rows, and at most a quarter of it is padding", async () => {
  const network = networkScore(config, parametersOf(config), { threads: 1 });
  const calls: number[] = [];
  const score = batchingScore(network, { maxRows: 8, onCall: (rows) => calls.push(rows) });
  const tokens = new Int32Array(16).fill(14);
  await Promise.all(Array.from({ length: 19 }, () => score.evaluate(tokens, Float64Array.of(1), Int32Array.of(0))));
  // 19 waiting: 8, 8, then 3 of a program for 4.
  expect(calls).toEqual([8, 8, 3]);
  calls.length = 0;
  await Promise.all(Array.from({ length: 5 }, () => score.evaluate(tokens, Float64Array.of(1), Int32Array.of(0))));
  expect(calls).toEqual([4, 1]);
  await network.dispose();
});
