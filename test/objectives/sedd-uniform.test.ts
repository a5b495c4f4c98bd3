/** SEDD on the uniform graph: what is corrupted and fed, the loss against the plain score entropy, and the score that samplers ask. */
import { afterAll, describe, expect, test } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { graphOf, seddObjective, stratifiedTimes, type SeddConfig } from "../../src/objectives/sedd.ts";
import { UserError } from "../../src/platform/errors.ts";
import { random } from "../../src/platform/random.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { configOf, devices, lossOf, MASK, parametersOf, slopes, textOf } from "./support.ts";

const V = MASK; // all but the state that absorb has besides
const configWith = (noise: SeddConfig["noise"], dropout = 0): SeddConfig => {
  const base = configOf("score", dropout, false);
  return { ...base, graph: "uniform", noise, network: { ...base.network, states: V } };
};
const noises: [string, SeddConfig["noise"]][] = [
  ["log-linear", { kind: "loglinear", eps: 1e-3 }],
  ["geometric", { kind: "geometric", sigmaMin: 1e-5, sigmaMax: 20 }],
];

describe.each(noises)("%s", (_, noise) => {
  const config = configWith(noise);
  const objective = seddObjective(config);
  const schedule = noiseFrom(noise);

  test("a token of a row at time t is redrawn from all tokens with probability 1 − e^{−σ(t)}", () => {
    const shape = { batch: 3, length: 500 };
    const clean = new Int32Array(1500).fill(5);
    const counts = Array.from({ length: 3 }, () => new Float64Array(V));
    for (let seed = 0; seed < 20; seed++) {
      const noisy = objective.corrupt(clean, shape, random(seed, 1), false, 0.6).feeds["tokens"] as Int32Array;
      noisy.forEach((token, i) => counts[Math.floor(i / 500)]![token]!++);
    }
    // Pearson's test at level 1e-6; and it rejects a redraw that leaves the token itself out.
    stratifiedTimes(3, random(0), 0.6).forEach((t, row) => {
      const sigma = schedule.sigma(t);
      const { statistic, freedom } = chiSquare(counts[row]!, uniform(V).transition(5, sigma));
      expect(statistic).toBeLessThan(chiSquareLimit(freedom));
      if (row < 2) return;
      const careless = Float64Array.from({ length: V }, (__, y) => (y === 5 ? Math.exp(-sigma) : -Math.expm1(-sigma) / (V - 1)));
      expect(chiSquare(counts[row]!, careless).statistic).toBeGreaterThan(chiSquareLimit(V - 1));
    });
  });

  test("every position has a loss, and the program is fed what it declares", () => {
    const shape = { batch: 3, length: 8 };
    const { feeds, capacity } = objective.corrupt(textOf(24), shape, random(2), true);
    expect(capacity).toBe(24);
    for (const [name, { shape: declared }] of Object.entries(objective.lossInputs(shape, capacity, true)))
      expect([name, feeds[name]!.length]).toEqual([name, declared.reduce((a, b) => a * b, 1)]);
    expect((feeds["restWeight"] as Float32Array).every((weight) => weight > 0)).toBe(true);
  });

  describe.each(devices)("on %s", (device) => {
    test("the loss is σ'(t) times the plain score entropy of the network's own scores", async () => {
      const shape = { batch: 4, length: 12 };
      const parameters = parametersOf(config);
      const clean = textOf(48);
      const corruption = objective.corrupt(clean, shape, random(11), false);
      const { sum } = await lossOf(config, parameters, shape, corruption, device, false);
      const times = stratifiedTimes(shape.batch, random(11));
      const noisy = corruption.feeds["tokens"] as Int32Array;
      const model = networkScore(config, parameters, { device });
      const scores = await model.all(noisy, times.map(schedule.sigma));
      await model.dispose();
      const graph = uniform(V);
      let expected = 0;
      noisy.forEach((token, i) => {
        const t = times[Math.floor(i / shape.length)]!;
        expected += schedule.rate(t) * scoreEntropy(graph, scores.subarray(i * V, (i + 1) * V), schedule.sigma(t), token, clean[i]!);
      });
      // Float32 log-scores of order 10 are within 1e-6, the terms within as much of them.
      expect(Math.abs(sum / expected - 1)).toBeLessThan(1e-5);
    });
  });
});

test.each(devices)(
  "the gradient is that of the loss, dropout included: a step along it changes the loss by what it says, on %s",
  async (device) => {
    const { slope, norm } = await (await slopes(configWith(noises[0]![1], 0.2), device)).slope();
    // As in sedd.test.ts.
    expect(Math.abs(slope / norm - 1)).toBeLessThan(5e-3);
  },
);

describe.each(devices)("the network's score on %s", (device) => {
  const config = configWith(noises[0]![1]);
  const model = networkScore(config, parametersOf(config), { device });
  afterAll(() => model.dispose());
  // More rows than one call of the head takes.
  const length = 600;
  const tokens = textOf(2 * length, 5);
  const sigma = Float64Array.of(1e-4, 3);
  const positions = Int32Array.from(tokens.keys());
  // Float32 heads of one matrix, compiled for another number of rows or ending in a sum: 1e-5 absolute in logarithms of order 10.
  const TOLERANCE = 1e-5;

  test("sums leave out the token itself; single entries and rows are those of the dense log-scores", async () => {
    expect([model.graph.kind, model.graph.states, model.graph.mask]).toEqual(["uniform", V, undefined]);
    expect(model.knownSum).toBeUndefined();
    const all = await model.all(tokens, sigma);
    const answer = await model.evaluate(tokens, sigma, positions);
    const sums = await answer.sums();
    const targets = tokens.map((token, i) => (i % 5 === 0 ? token : (token + 1 + (i % (V - 1))) % V));
    const entries = await answer.at(targets);
    const which = Int32Array.of(0, 1023, 1024, 1199);
    const rows = await answer.rows(which);
    positions.forEach((i) => {
      const row = all.subarray(i * V, (i + 1) * V);
      expect(row[tokens[i]!]).toBe(0);
      const dense = row.reduce((sum, logScore, y) => (y === tokens[i] ? sum : sum + Math.exp(logScore)), 0);
      expect(Math.abs(Math.log(sums[i]! / dense))).toBeLessThan(TOLERANCE);
      if (targets[i] === tokens[i]) expect(entries[i]).toBe(0);
      else expect(Math.abs(entries[i]! - row[targets[i]!]!)).toBeLessThan(TOLERANCE);
      const k = which.indexOf(i);
      if (k >= 0)
        row.forEach((logScore, y) => {
          if (y !== tokens[i]) expect(Math.abs(rows[k * V + y]! - logScore)).toBeLessThan(TOLERANCE);
        });
    });
  });
});

test("a parameterisation that only absorb has is refused", () => {
  const config = configWith(noises[0]![1]);
  for (const wrong of [{ parameterization: "normalized" }, { scaleBySigma: true }] as const) {
    expect(() => graphOf({ ...config, ...wrong })).toThrow(UserError);
    expect(() => seddObjective({ ...config, ...wrong })).toThrow(/for graph "absorb" alone|is for graph "absorb" alone/);
    expect(() => networkScore({ ...config, ...wrong }, new Float32Array(0), {})).toThrow(UserError);
  }
});
