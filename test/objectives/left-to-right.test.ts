/** Left to right: a law over texts, exactly; the loss is its −log p, and the sampler draws from it. */
import { afterAll, describe, expect, test } from "vitest";
import { summariseBound } from "../../src/diffusion/bound.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { run } from "../../src/diffusion/sampler.ts";
import { unmaskingSamples } from "../../src/diffusion/unmasking.ts";
import { causalLikelihood } from "../../src/objectives/causal-likelihood.ts";
import { shiftedRight } from "../../src/network/states-network.ts";
import { leftToRight } from "../../src/objectives/left-to-right.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { random } from "../../src/platform/random.ts";
import { space } from "../support/oracle.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { devices, lossOf, MASK, parametersOf, plainConfig, textOf } from "./support.ts";

test("a causal network reads the beginning, then all tokens but the last", () => {
  expect([...shiftedRight(Int32Array.of(1, 2, 3, 4, 5, 6), 3, 9)]).toEqual([9, 1, 2, 9, 4, 5]);
});

describe.each(devices)("on %s", (device) => {
  const config = plainConfig("ar", 4);
  const score = networkScore(config, parametersOf(config), { device });
  afterAll(() => score.dispose());
  const clean = space(3, 3);
  const texts = Array.from({ length: 27 }, (_, k) => clean.at(k));
  const law = async () => (await causalLikelihood(score, texts, {})).terms.unmasking!.map((nats) => Math.exp(-nats));

  test("the probabilities of all texts of three tokens sum to 1", async () => {
    const p = await law();
    expect(Math.abs(p.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-6); // float32 softmax
    expect(Math.max(...p) / Math.min(...p)).toBeGreaterThan(1.5);
  });

  test("one call a window tells what unmasking from left to right tells in one call a token", async () => {
    const whole = await causalLikelihood(score, texts, {});
    const steps = await unmaskingSamples(score, logLinear(), texts, { order: "left-to-right", random: random(1) });
    whole.terms.unmasking!.forEach((nats, w) => expect(Math.abs(nats - steps.terms.unmasking![w]!)).toBeLessThan(2e-6));
    expect([whole.rows, whole.replicates, summariseBound(whole).standardError]).toEqual([27, 1, 0]);
  });

  test("samples follow it, written after a given token too", async () => {
    const p = await law();
    const count = 5_000;
    for (const given of [undefined, Int32Array.of(2, -1, -1)]) {
      let tokens = new Int32Array();
      const options = { noise: logLinear(), sampler: "left-to-right", length: 3, count, seed: 4, maxRows: 1024 } as const;
      for await (const frame of run(score, given ? { ...options, given } : options)) tokens = frame.tokens as Int32Array<ArrayBuffer>;
      const counts = new Float64Array(27);
      for (let i = 0; i < count; i++) counts[clean.index(tokens, 3 * i)]!++;
      const kept = p.map((value, k) => (given && texts[k]![0] !== 2 ? 0 : value));
      const total = kept.reduce((a, b) => a + b);
      const { statistic, freedom } = chiSquare(counts, kept.map((value) => value / total)); // prettier-ignore
      expect(statistic).toBeLessThan(chiSquareLimit(freedom));
    }
  });

  test("the loss is −log p of the windows, of any length", async () => {
    const wide = plainConfig("ar");
    const parameters = parametersOf(wide);
    const model = networkScore(wide, parameters, { device });
    const shape = { batch: 3, length: 21 };
    const tokens = textOf(63);
    const { sum } = await lossOf(
      wide,
      parameters,
      shape,
      leftToRight(wide.network).corrupt(tokens, shape, random(1), false),
      device,
      false,
    );
    const windows = [0, 1, 2].map((r) => tokens.slice(r * 21, (r + 1) * 21));
    const { total } = summariseBound(await causalLikelihood(model, windows, { maxRows: 2 }));
    await model.dispose();
    expect(Math.abs(sum / total - 1)).toBeLessThan(1e-6);
    expect(total / 63).toBeLessThan(2 * Math.log(MASK));
  });
});
