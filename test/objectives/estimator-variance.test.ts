/** What a row of the network buys on the shipped model: the default estimator's standard error is at most half that of independent uniform times, at equal rows. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { boundSamples } from "../../src/diffusion/likelihood.ts";
import { summariseBound } from "../../src/diffusion/bound.ts";
import { findModel, readModel, type StoredModel } from "../../src/model.ts";
import { networkScore, type NetworkScore } from "../../src/objectives/sedd-score.ts";
import { random } from "../../src/platform/random.ts";

let model: StoredModel;
let score: NetworkScore;
beforeAll(async () => {
  model = await readModel(await findModel("fairytales"));
  score = networkScore(model.config.sedd, model.parameters, { threads: 2, spinning: false });
});
afterAll(() => score.dispose());

const spread = (values: readonly number[]) => {
  const mean = values.reduce((a, b) => a + b) / values.length;
  return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1) };
};

test("half the standard error a row, or less", async () => {
  // Half a window, to be quick: a whole one has the same ratio (bench/likelihood.mjs).
  const n = model.config.length / 2;
  const text = await readFile(new URL("../../data/fairytales/test.txt", import.meta.url), "utf8");
  const clean = model.tokenizer!.encode(text.slice(10_000, 13_000)).slice(0, n);
  const { mask } = score.graph;
  // Plain: t uniform, each token masked with 1 − e^{−σ} = (1−ε)t, and Σ −log h over the masked ones times dσ/dt / (e^σ−1) = 1/t.
  const draw = random(1);
  const plain: number[] = [];
  for (let chunk = 0; chunk < 7; chunk++) {
    const times = Array.from({ length: 16 }, () => 1 - draw.uniform());
    const sigma = Float64Array.from(times, (t) => -Math.log1p(-0.999 * t));
    const noisy = Int32Array.from(times.flatMap((t) => Array.from(clean, (token) => (draw.uniform() < 0.999 * t ? mask! : token))));
    const positions = Int32Array.from(noisy.keys()).filter((at) => noisy[at] === mask);
    const logs = await (await score.evaluate(noisy, sigma, positions)).at(positions.map((at) => clean[at % n]!));
    const sums = new Float64Array(times.length);
    positions.forEach((at, j) => (sums[Math.floor(at / n)]! -= logs[j]! + Math.log(Math.expm1(sigma[Math.floor(at / n)]!))));
    sums.forEach((sum, r) => plain.push(sum / times[r]! / n));
  }
  const totals: number[] = [];
  let rows = 0;
  const runs = 8;
  for (let k = 0; k < runs; k++) {
    const bound = await boundSamples(score, noiseFrom(model.config.sedd.noise), [clean], {
      samples: 16,
      random: random(2, k),
      maxRows: 16,
    });
    totals.push(summariseBound(bound).total / n);
    rows += bound.rows / runs;
  }
  const [a, b] = [spread(totals), spread(plain)];
  // Both estimate one number (the plain one without the tail of a thousandth); 5 standard errors.
  expect(Math.abs(a.mean - b.mean)).toBeLessThan(5 * Math.sqrt(a.variance / runs + b.variance / plain.length) + 0.01);
  const ratio = Math.sqrt((a.variance * rows) / b.variance);
  // bench/likelihood.mjs finds about 0.3; eight runs know a standard error to a quarter.
  expect(ratio).toBeLessThan(0.5);
});
