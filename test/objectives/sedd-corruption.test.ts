/** How SEDD corrupts a batch: times, masked positions, what the loss program is fed, and dropout's masks. */
import { describe, expect, test } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { rowNumbers } from "../../src/diffusion/score-entropy-traced.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { logitOffset, seddObjective, stratifiedTimes, T_MIN, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { configOf, devices, lossesOf, lossOf, MASK, parametersOf, textOf, variants } from "./support.ts";

describe("corruption", () => {
  test("what the program is fed: the masked positions in order, where each stands, and the numbers of its row", () => {
    for (const [, config] of variants) {
      const shape = { batch: 3, length: 20 };
      const clean = textOf(60, 2);
      const objective = seddObjective(config);
      const { feeds, capacity } = objective.corrupt(clean, shape, random(7), true);
      const times = stratifiedTimes(3, random(7));
      const noise = noiseFrom(config.noise);
      const noisy = feeds["tokens"] as Int32Array;
      noisy.forEach((token, i) => expect([MASK, clean[i]]).toContain(token));
      const masked = [...noisy.keys()].filter((i) => noisy[i] === MASK);
      const firsts = (name: string): number[] => Array.from(feeds[name] as Int32Array).slice(0, masked.length);
      expect(firsts("rows")).toEqual(masked);
      expect(firsts("clean")).toEqual(masked.map((i) => clean[i]));
      expect(firsts("sequence")).toEqual(masked.map((i) => Math.floor(i / 20)));
      expect(Array.from(feeds["inverse"] as Int32Array)).toEqual(
        Array.from(noisy, (token, i) => (token === MASK ? masked.indexOf(i) : capacity)),
      );
      expect(feeds["sigma"]).toEqual(Float32Array.from(times, noise.sigma));
      masked.forEach((position, i) => {
        const t = times[Math.floor(position / 20)]!;
        const sigma = noise.sigma(t);
        const numbers = rowNumbers(config.parameterization, sigma, noise.rate(t), logitOffset(config, sigma));
        for (const key of ["shift", "pull", "rest"] as const) expect((feeds[key] as Float32Array)[i]).toBe(Math.fround(numbers[key]));
      });
      for (let i = masked.length; i < capacity; i++) {
        expect([feeds["shift"]![i], feeds["pull"]![i], feeds["rest"]![i]]).toEqual([Math.fround(-1e30), 0, 0]);
      }
      expect(Object.keys(objective.lossInputs(shape, capacity, true)).every((name) => name in feeds)).toBe(true);
    }
  });

  test("a token of a row at time t is masked with probability 1 − e^{−σ(t)}", () => {
    const config = configOf("score");
    const objective = seddObjective(config);
    const shape = { batch: 4, length: 500 };
    const clean = textOf(2000, 3);
    // The times are known (u = 0.25 in every stratum); 20,000 tokens a row, five standard deviations.
    const noise = noiseFrom(config.noise);
    const counts = new Float64Array(4);
    for (let seed = 0; seed < 40; seed++) {
      const noisy = objective.corrupt(clean, shape, random(seed, 1), false, 0.25).feeds["tokens"] as Int32Array;
      noisy.forEach((token, i) => (counts[Math.floor(i / 500)]! += Number(token === MASK)));
    }
    stratifiedTimes(4, random(0), 0.25).forEach((t, row) => {
      const p = -Math.expm1(-noise.sigma(t));
      expect(Math.abs(counts[row]! / 20_000 - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / 20_000));
    });
  });

  test("one time in each stratum of [1e-3, 1], at the same place in all of them, uniform over draws", () => {
    const cells = new Float64Array(20);
    for (let seed = 0; seed < 4000; seed++) {
      const times = stratifiedTimes(5, random(seed, 9));
      const places = Array.from(times, (t, i) => ((t - T_MIN) / (1 - T_MIN)) * 5 - i);
      for (const place of places) expect(Math.abs(place - places[0]!)).toBeLessThan(1e-12);
      expect(places[0]).toBeGreaterThanOrEqual(0);
      expect(times[4]).toBeLessThan(1);
      cells[Math.floor(places[0]! * 20)]!++;
    }
    // Pearson's test at level 1e-6.
    const { statistic, freedom } = chiSquare(cells, new Float64Array(20).fill(1 / 20));
    expect(statistic).toBeLessThan(chiSquareLimit(freedom));
    expect([...stratifiedTimes(2, random(1), 0)]).toEqual([T_MIN, T_MIN + (1 - T_MIN) / 2]);
  });

  test("the usual head is large enough but for one batch in ten thousand, and never too small", () => {
    const objective = seddObjective(configOf("normalized"));
    for (const shape of [
      { batch: 4, length: 64 },
      { batch: 8, length: 64 },
    ]) {
      const total = shape.batch * shape.length;
      let larger = 0;
      for (let seed = 0; seed < 1500; seed++) {
        const { feeds, capacity } = objective.corrupt(textOf(total, 1), shape, random(seed, 2), false);
        const masked = (feeds["tokens"] as Int32Array).reduce((n, token) => n + Number(token === MASK), 0);
        expect(masked).toBeLessThanOrEqual(capacity);
        larger += Number(capacity === total);
      }
      // Expected 0.15 of 1,500 at most; five or more have a probability below 1e-6.
      expect(larger).toBeLessThan(5);
    }
  });
});

test.each(["score", "normalized"] as const)(
  "ℓ2: the loss is σ'(t)/2 times the squares of the network's scores less the true ratios, %s",
  async (parameterization) => {
    const config: SeddConfig = { ...configOf(parameterization), loss: "l2" };
    const parameters = parametersOf(config);
    const shape = { batch: 4, length: 12 };
    const clean = textOf(48, 5);
    const corruption = seddObjective(config).corrupt(clean, shape, random(6), false);
    const { sum } = await lossOf(config, parameters, shape, corruption, "cpu", false);
    const noisy = corruption.feeds["tokens"] as Int32Array;
    const noise = noiseFrom(config.noise);
    const times = stratifiedTimes(4, random(6));
    const score = networkScore(config, parameters, { threads: 1 });
    const logs = await score.all(noisy, Float64Array.from(times, noise.sigma));
    await score.dispose();
    let expected = 0;
    noisy.forEach((token, i) => {
      if (token !== MASK) return;
      const t = times[Math.floor(i / 12)]!;
      for (let y = 0; y < MASK; y++) {
        const ratio = y === clean[i] ? 1 / Math.expm1(noise.sigma(t)) : 0;
        expected += (noise.rate(t) / 2) * (Math.exp(logs[i * (MASK + 1) + y]!) - ratio) ** 2;
      }
    });
    expect(noisy.filter((token) => token === MASK).length).toBeGreaterThan(10);
    // float32 sums, and times in float32 where the network is told σ.
    expect(Math.abs(sum / expected - 1)).toBeLessThan(1e-5);
  },
);

describe("dropout", () => {
  const config = configOf("score", 0.1);
  const shape = { batch: 8, length: 64 };
  const objective = seddObjective(config);
  const maskOf = (seed: number): Uint8Array => objective.corrupt(textOf(512), shape, random(seed), true).feeds["keep"] as Uint8Array;
  const [keep, other] = [maskOf(1), maskOf(2)];

  test("one flag an activation of each of the two branches of each block", () => {
    expect(keep).toHaveLength(2 * 2 * 8 * 64 * 16);
    expect(objective.lossInputs(shape, 512, true)["keep"]).toEqual({ dtype: "bool", shape: [keep.length] });
  });

  test("keeps each with probability 0.9, neighbours and layers and keys independently", () => {
    // Pairs at several distances, and of two keys: Pearson's test of the joint law at level 1e-6.
    const half = keep.length / 2;
    const pairs: [string, (i: number) => number][] = [1, 2, 16, 16 * 64, keep.length / 4].map((distance) => [
      `distance ${distance}`,
      (i) => keep[i + distance]!,
    ]);
    for (const [name, partner] of [...pairs, ["another key", (i: number) => other[i]!] as const]) {
      const counts = new Float64Array(4);
      for (let i = 0; i < half; i++) counts[2 * keep[i]! + partner(i)]!++;
      const { statistic } = chiSquare(counts, [0.01, 0.09, 0.09, 0.81]);
      // Windows overlap, which leaves each count's mean and, for independent flags, at most doubles its variance.
      expect(statistic, name).toBeLessThan(2 * chiSquareLimit(3));
    }
    for (let layer = 0; layer < 4; layer++) {
      const n = keep.length / 4;
      const kept = keep.subarray(layer * n, (layer + 1) * n).reduce((a, b) => a + b, 0);
      expect(Math.abs(kept / n - 0.9)).toBeLessThan(5 * Math.sqrt(0.09 / n));
    }
  });

  test("the same random state gives the same mask, and it does not shift the draws of times and noise", () => {
    expect(maskOf(1)).toEqual(keep);
    const [trained, evaluated] = [true, false].map((training) => objective.corrupt(textOf(512), shape, random(1), training).feeds);
    expect(trained!["tokens"]).toEqual(evaluated!["tokens"]);
    expect(trained!["sigma"]).toEqual(evaluated!["sigma"]);
  });

  test("evaluation has none, nor has training with probability 0", () => {
    expect(objective.corrupt(textOf(512), shape, random(1), false).feeds).not.toHaveProperty("keep");
    expect(objective.lossInputs(shape, 512, false)).not.toHaveProperty("keep");
    const none = seddObjective(configOf("score", 0));
    expect(none.corrupt(textOf(512), shape, random(1), true).feeds).not.toHaveProperty("keep");
    expect(none.lossInputs(shape, 512, true)).not.toHaveProperty("keep");
  });

  test.each(devices)("on %s each branch has its own flags, and a mask that keeps everything only scales the branches", async (device) => {
    const small = { batch: 2, length: 8 };
    const parameters = parametersOf(config);
    const { feeds, capacity } = objective.corrupt(textOf(16), small, random(3), true);
    const flags = feeds["keep"] as Uint8Array;
    const branches = ["blocks.0.attn_out.weight", "blocks.0.mlp.2.weight", "blocks.1.attn_out.weight", "blocks.1.mlp.2.weight"];
    const without = (branch: number): Uint8Array => flags.map((_, i) => Number(Math.floor((4 * i) / flags.length) !== branch));
    const masks = [flags, flags.map(() => 1), ...branches.map((_, i) => without(i))];
    const [drawn, everything, ...others] = await lossesOf(
      config,
      parameters,
      small,
      masks.map((keep) => ({ feeds: { ...feeds, keep }, capacity })),
      device,
    );
    expect(drawn!.sum).not.toBe(everything!.sum);
    // Each quarter of the flags is one branch: where it keeps nothing, no gradient reaches that branch, and it does reach the others.
    others.forEach(({ gradient }, branch) => {
      const reached = branches.map((name) => objective.layout.slice(gradient, name).some((value) => value !== 0));
      expect(reached).toEqual(branches.map((_, i) => i !== branch));
    });
    // Keeping everything multiplies both branches of every block by 1/0.9: so do their last weights and biases.
    const scaled = parameters.slice();
    for (const { name } of objective.layout.views) {
      if (/attn_out|mlp\.2/.test(name) && name.startsWith("blocks"))
        objective.layout.slice(scaled, name).forEach((value, i, slice) => (slice[i] = value / 0.9));
    }
    const plain = await lossOf(
      { ...config, network: { ...config.network, dropout: 0 } },
      scaled,
      small,
      { feeds, capacity },
      device,
      false,
    );
    expect(Math.abs(everything!.sum / plain.sum - 1)).toBeLessThan(1e-5);
  });
});
