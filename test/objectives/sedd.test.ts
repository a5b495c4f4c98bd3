/** SEDD's training loss: it is the score entropy of the network's own scores, padding of the head does not show, and its gradient is its gradient. */
import { describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import type { Corruption } from "../../src/objectives/objective.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { corruptionOf, seddObjective, stratifiedTimes } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { relativeError } from "../support/fixtures.ts";
import { configOf, devices, lossOf, MASK, parametersOf, slopes, textOf, variants } from "./support.ts";

/** The same corruption with room for `capacity` rows of the head. */
function widened({ feeds, capacity: from }: Corruption, capacity: number): Corruption {
  const grown = <T extends Int32Array | Float32Array>(data: T, fill: number): T => {
    const larger = new (data.constructor as new (n: number) => T)(capacity).fill(fill) as T;
    larger.set(data);
    return larger;
  };
  const wide: Record<string, Int32Array | Float32Array> = { ...(feeds as Record<string, Int32Array>) };
  for (const name of ["rows", "sequence", "clean", "pull", "rest"]) wide[name] = grown(wide[name]!, 0);
  wide["shift"] = grown(wide["shift"]!, -1e30);
  wide["inverse"] = wide["inverse"]!.map((at) => (at === from ? capacity : at));
  return { feeds: wide, capacity };
}

describe.each(devices)("on %s", (device) => {
  // The plain formula in float64 on the network's own log-scores. Those are float32 of order 10, hence within 1e-6, and stand before σ' r: the
  // sum of 10 σ' r over the MASKs is what 1e-5 is relative to.
  test.each(variants)("the loss is σ'(t) times the plain score entropy of the network's scores: %s", async (_, config) => {
    const shape = { batch: 4, length: 12 };
    const parameters = parametersOf(config);
    const noise = noiseFrom(config.noise);
    const clean = textOf(48);
    const corruption = seddObjective(config).corrupt(clean, shape, random(11), false);
    const { sum } = await lossOf(config, parameters, shape, corruption, device, false);
    const times = stratifiedTimes(shape.batch, random(11));
    const noisy = corruption.feeds["tokens"] as Int32Array;
    const model = networkScore(config, parameters, { device });
    const scores = await model.all(noisy, times.map(noise.sigma));
    await model.dispose();
    const graph = absorb(MASK);
    let [expected, magnitude] = [0, 0];
    noisy.forEach((token, i) => {
      if (token !== MASK) return;
      const t = times[Math.floor(i / shape.length)]!;
      const row = scores.subarray(i * (MASK + 1), (i + 1) * (MASK + 1));
      expected += noise.rate(t) * scoreEntropy(graph, row, noise.sigma(t), MASK, clean[i]!);
      magnitude += (noise.rate(t) / Math.expm1(noise.sigma(t))) * 10;
    });
    expect(Math.abs(sum - expected)).toBeLessThanOrEqual(1e-5 * Math.max(magnitude, expected));
  });

  test("normalized with log-linear noise: cross-entropy over t, −log p(x0) / t at every MASK", async () => {
    const config = configOf("normalized");
    const shape = { batch: 2, length: 8 };
    const parameters = parametersOf(config);
    const clean = textOf(16, 5);
    const noisy = clean.map((token, i) => (i % 2 ? MASK : token));
    const times = Float64Array.of(0.3, 0.9);
    const { sum } = await lossOf(config, parameters, shape, corruptionOf(config, clean, noisy, times, shape), device);
    const model = networkScore(config, parameters, { device });
    const noise = noiseFrom(config.noise);
    const scores = await model.all(noisy, times.map(noise.sigma));
    await model.dispose();
    let expected = 0;
    noisy.forEach((token, i) => {
      const t = times[Math.floor(i / 8)]!;
      // log p = log s + log(e^σ − 1)
      if (token === MASK) expected -= (scores[i * (MASK + 1) + clean[i]!]! + Math.log(Math.expm1(noise.sigma(t)))) / t;
    });
    expect(Math.abs(sum / expected - 1)).toBeLessThan(1e-5);
  });

  test.each(variants)("a head compiled for more rows than needed changes neither loss nor gradient: %s", async (_, config) => {
    const shape = { batch: 8, length: 32 };
    const parameters = parametersOf(config);
    const bucket = seddObjective(config).corrupt(textOf(256), shape, random(12), true);
    expect(bucket.capacity).toBeLessThan(256);
    const small = await lossOf(config, parameters, shape, bucket, device);
    const full = await lossOf(config, parameters, shape, widened(bucket, 256), device);
    // Other sizes of the same products are summed in another order: a few times float32's rounding of the sum, and of a gradient's largest entry
    // what the fixtures allow a whole backward pass, rounded up.
    expect(Math.abs(full.sum / small.sum - 1)).toBeLessThan(2e-6);
    const { layout } = seddObjective(config);
    for (const { name } of layout.views) {
      const error = relativeError(layout.slice(full.gradient, name), layout.slice(small.gradient, name), "tensor");
      expect(error, name).toBeLessThan(1e-5);
    }
  });

  test.each(variants)("everything masked, and nothing masked: %s", async (_, config) => {
    const shape = { batch: 4, length: 32 };
    const parameters = parametersOf(config);
    const clean = textOf(128);
    const times = stratifiedTimes(4, random(1));
    const all = corruptionOf(config, clean, new Int32Array(128).fill(MASK), times, shape);
    expect(all.capacity).toBe(128);
    const dark = await lossOf(config, parameters, shape, all, device);
    expect(dark.sum).toBeGreaterThan(0);
    expect(dark.gradient.every(Number.isFinite)).toBe(true);
    const clear = await lossOf(config, parameters, shape, corruptionOf(config, clean, clean.slice(), times, shape), device);
    expect(clear.sum).toBe(0);
    expect(clear.gradient.every((value) => value === 0)).toBe(true);
  });

  test("the gradient is that of the loss: a step along it changes the loss by what it says", async () => {
    const { slope, norm } = await (await slopes(configOf("score", 0.2), device)).slope();
    // The third derivative and the rounding of the two losses leave less than 5e-3 of it.
    expect(Math.abs(slope / norm - 1)).toBeLessThan(5e-3);
  });
});
