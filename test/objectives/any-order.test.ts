/** Any-order autoregressive diffusion: the loss, its bound beside that of the absorbing process, and the law of its orders. */
import { afterAll, describe, expect, test } from "vitest";
import { estimate, summariseBound } from "../../src/diffusion/bound.ts";
import { exactKSamples } from "../../src/diffusion/exact-k.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { unmaskingSamples } from "../../src/diffusion/unmasking.ts";
import { anyOrder } from "../../src/objectives/any-order.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { random } from "../../src/platform/random.ts";
import { lossRunner } from "../../src/training/loss.ts";
import { space } from "../support/oracle.ts";
import { denseOf, exactBound, reverseProcess, totalBound } from "../support/reverse-process.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { MASK, parametersOf, plainConfig, textOf } from "./support.ts";

test("the number of masks is even on 1 … D and stratified over the batch in any order, their places are even, each counts D/k", () => {
  const [batch, length] = [10, 20];
  const objective = anyOrder(plainConfig("ardm").network);
  const tokens = textOf(batch * length);
  const [numbers, places, strata] = [new Float64Array(length), new Float64Array(length), new Float64Array(batch)];
  for (let seed = 0; seed < 400; seed++) {
    const { feeds } = objective.corrupt(tokens, { batch, length }, random(seed), true);
    const [noisy, weight, inverse] = [feeds["tokens"] as Int32Array, feeds["weight"] as Float32Array, feeds["inverse"] as Int32Array];
    const drawn: number[] = [];
    for (let r = 0; r < batch; r++) {
      const masked = Array.from({ length }, (_, i) => r * length + i).filter((at) => noisy[at] === MASK);
      drawn.push(Math.floor((masked.length - 1) / 2));
      if (r === 0) strata[drawn[0]!]!++;
      numbers[masked.length - 1]!++;
      for (const at of masked) {
        places[at % length]!++;
        expect(weight[inverse[at]!]).toBe(Math.fround(length / masked.length));
      }
    }
    expect(drawn.toSorted((a, b) => a - b)).toEqual(Array.from({ length: batch }, (_, stratum) => stratum));
  }
  // The first window's stratum is any: noise does not go with the place in a text.
  for (const counts of [numbers, places, strata]) {
    const { statistic, freedom } = chiSquare(counts, new Float64Array(counts.length).fill(1 / counts.length));
    expect(statistic).toBeLessThan(chiSquareLimit(freedom));
  }
});

test("a step of several batches is one stratified draw: its windows' numbers of masks are those of one large batch", () => {
  const [batch, length, batches] = [4, 24, 3];
  const objective = anyOrder(plainConfig("ardm").network);
  const tokens = textOf(batch * length);
  const numbers = Array.from({ length: batches }, (_, k) => {
    const { feeds } = objective.corrupt(tokens, { batch, length }, random(k), true, (k + 0.4) / batches);
    return Array.from({ length: batch }, (_, r) =>
      (feeds["tokens"] as Int32Array).subarray(r * length, (r + 1) * length).reduce((n, token) => n + Number(token === MASK), 0),
    );
  }).flat();
  // 12 strata of two numbers of masks each; an offset of 0.4 takes the lower one.
  expect(numbers.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, stratum) => 1 + 2 * stratum));
});

describe("a network over three tokens and three positions", () => {
  const config = plainConfig("ardm", 4);
  const parameters = parametersOf(config);
  const score = networkScore(config, parameters, {});
  afterAll(() => score.dispose());
  const states = space(4, 3);
  const texts = Array.from({ length: 27 }, (_, k) => space(3, 3).at(k));
  const LENGTH = 3;
  const subsets = Array.from({ length: 8 }, (_, bits) => [0, 1, 2].filter((i) => bits & (1 << i)));

  /** −log p(x_i | x outside `masked`) in float64 sums of the network's own numbers, of every text, subset and position. */
  const nats = async () => {
    const all = Int32Array.from(Array.from({ length: 64 }, (_, k) => [...states.at(k)]).flat());
    const logs = await denseOf(score)(all, new Float64Array(64).fill(Math.LN2));
    return (x: Int32Array, masked: readonly number[], i: number): number => {
      const noisy = x.map((token, at) => (masked.includes(at) ? 3 : token));
      return -logs[(states.index(noisy) * LENGTH + i) * 4 + x[i]!]!;
    };
  };
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]; // prettier-ignore
  /** Hoogeboom et al.: the mean over steps t = 1 … D and all orders. */
  const anyOrderBound = (log: Awaited<ReturnType<typeof nats>>, x: Int32Array): number => {
    let total = 0;
    for (const order of orders)
      for (let t = 1; t <= LENGTH; t++) {
        const rest = order.slice(t - 1);
        total += (LENGTH / (LENGTH - t + 1)) * rest.reduce((sum, i) => sum + log(x, rest, i), 0);
      }
    return total / orders.length / LENGTH;
  };

  test("its bound is the absorb bound: the integral over the masked share m, subset by subset, with ∫ m^{k−1}(1−m)^{n−k} dm", async () => {
    const log = await nats();
    const factorial = [1, 1, 2, 6];
    for (const x of texts) {
      // E[Σ over masked positions] / m at share m is Σ over subsets of m^{k−1} (1−m)^{n−k} Σ −log p.
      const absorbBound = subsets.reduce((total, masked) => {
        const k = masked.length;
        return k === 0 ? total : total + ((factorial[k - 1]! * factorial[LENGTH - k]!) / factorial[LENGTH]!) * masked.reduce((sum, i) => sum + log(x, masked, i), 0); // prettier-ignore
      }, 0);
      expect(Math.abs(anyOrderBound(log, x) / absorbBound - 1)).toBeLessThan(1e-14);
    }
  });

  test("and so it is by score entropy, integrated over σ with its end terms", async () => {
    const log = await nats();
    const bound = totalBound(await exactBound(reverseProcess(denseOf(score), score.graph, logLinear(), LENGTH)));
    // Scores s = p/(e^σ−1) in float32: Σh is 1 within 1e-7, and it is three positions.
    texts.forEach((x, j) => expect(Math.abs(anyOrderBound(log, x) - bound[j]!)).toBeLessThan(2e-6));
  });

  test("the exact-k estimator is that number within its error", async () => {
    const log = await nats();
    const windows = Array.from({ length: 10 }, () => texts).flat();
    const { total, standardError } = summariseBound(
      await exactKSamples(score, logLinear(), windows, { samples: 16, random: random(5), maxRows: 1024 }),
    );
    const exact = 10 * texts.reduce((sum, x) => sum + anyOrderBound(log, x), 0);
    expect(standardError / exact).toBeLessThan(0.015);
    // 16 replicates, 5 standard errors, a fixed seed.
    expect(Math.abs(total - exact)).toBeLessThan(5 * standardError);
  });

  test("the training loss has that mean", async () => {
    const log = await nats();
    const shape = { batch: 27 * 3, length: LENGTH };
    const tokens = Int32Array.from(texts.flatMap((x) => [...x, ...x, ...x]));
    // 81 windows in 81 strata, drawn anew each time.
    const objective = anyOrder(config.network);
    const losses = lossRunner(objective, { threads: 1 });
    const values: number[] = [];
    for (let n = 0; n < 60; n++) {
      values.push(await losses.run(parameters, objective.corrupt(tokens, shape, random(9, n), false), shape));
    }
    await losses.dispose();
    const { total, standardError } = estimate(values);
    const exact = 3 * texts.reduce((total, x) => total + anyOrderBound(log, x), 0);
    expect(standardError / exact).toBeLessThan(0.01);
    expect(Math.abs(total - exact)).toBeLessThan(5 * standardError);
  });

  test("unmasked in any fixed order, the probabilities of all texts sum to 1", async () => {
    for (const order of orders) {
      const { terms } = await unmaskingSamples(score, logLinear(), texts, { order: () => order, random: random(1) });
      const mass = terms.unmasking!.reduce((sum, value) => sum + Math.exp(-value), 0);
      expect(Math.abs(mass - 1)).toBeLessThan(1e-6); // float32 softmax
    }
  });
});
