/** Initial values: their bounds and laws, and what starts at zero and at one. */
import { describe, expect, test } from "vitest";
import { dditParameters, initializeDDiT, isHiddenMatrix, type DDiTConfig } from "../../src/network/ddit.ts";
import { kaimingUniform, pytorchLinear } from "../../src/network/initialize.ts";
import { random } from "../../src/platform/random.ts";
import { Layout } from "../../src/tensor/index.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";

const config: DDiTConfig = { states: 101, hidden: 64, layers: 2, heads: 4, conditioning: 32, dropout: 0 };
const layout = new Layout(dditParameters(config));
const parameters = initializeDDiT(config, random(1));

/** The fan-in of the layer that a weight or bias belongs to (of the embedding: its width, as PyTorch has it). */
const fanIn = (name: string): number => layout.get(name.replace(/bias$/, "weight")).shape[1]!;
const zero = layout.views.filter(({ name }) => /adaLN_modulation|output_layer\.linear/.test(name)).map(({ name }) => name);
const one = layout.views.filter(({ name }) => /norm/.test(name)).map(({ name }) => name);
const drawn = layout.views.filter(({ name }) => !zero.includes(name) && !one.includes(name)).map(({ name }) => name);

/** U(−bound, bound): bounds, and Pearson's test on 20 cells at level 1e-6 (one test in a million fails by chance; the seeds are fixed). */
function expectUniform(values: Float32Array, bound: number): void {
  const counts = new Float64Array(20);
  for (const value of values) counts[Math.max(0, Math.min(19, Math.floor(((value / bound + 1) / 2) * 20)))]!++;
  const { statistic, freedom } = chiSquare(counts, new Float64Array(20).fill(1 / 20));
  expect(statistic).toBeLessThan(chiSquareLimit(freedom));
  // The bound is reached: the largest of n values lies above 1 − 14/n of it but with probability e^-14.
  const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  expect(largest).toBeLessThanOrEqual(Math.fround(bound));
  expect(largest).toBeGreaterThan(bound * (1 - 14 / values.length));
}

test("adaLN and the head start at zero, the gains of layer norms at one", () => {
  expect(zero).toHaveLength(2 * 2 + 2 + 2);
  expect(one).toEqual([
    "blocks.0.norm1.weight",
    "blocks.0.norm2.weight",
    "blocks.1.norm1.weight",
    "blocks.1.norm2.weight",
    "output_layer.norm_final.weight",
  ]);
  for (const name of zero) expect(layout.slice(parameters, name).every((value) => value === 0)).toBe(true);
  for (const name of one) expect(layout.slice(parameters, name).every((value) => value === 1)).toBe(true);
});

describe("the others are uniform within 1/√fanIn", () => {
  test("each weight, the embedding too (kaiming-uniform with a = √5)", () => {
    const weights = drawn.filter((name) => !name.endsWith("bias"));
    expect(weights).toHaveLength(1 + 2 + 2 * 4);
    for (const name of weights) expectUniform(layout.slice(parameters, name), 1 / Math.sqrt(fanIn(name)));
  });

  test("the biases", () => {
    for (const name of drawn.filter((n) => n.endsWith("bias"))) {
      const bound = 1 / Math.sqrt(fanIn(name));
      const values = layout.slice(parameters, name);
      expect(values.every((value) => Math.abs(value) <= Math.fround(bound))).toBe(true);
      // A short vector: its mean square is bound²/3 with standard deviation bound²·√(4/45/n); five of them.
      const meanSquare = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      expect(Math.abs(meanSquare / bound ** 2 - 1 / 3)).toBeLessThan(5 * Math.sqrt(4 / 45 / values.length));
    }
  });
});

test("the laws by themselves: moments of 40,000 draws", () => {
  const draws = (fill: (values: Float32Array, draw: ReturnType<typeof random>) => void): Float32Array => {
    const values = new Float32Array(40_000);
    fill(values, random(7));
    return values;
  };
  const moments = (values: Float32Array): [mean: number, square: number] => [
    values.reduce((a, b) => a + b, 0) / values.length,
    values.reduce((a, b) => a + b * b, 0) / values.length,
  ];
  // U(−b, b): mean 0 ± b/√(3n), mean square b²/3 ± b²√(4/45/n); five standard deviations (alpha 6e-7 each).
  for (const [values, bound] of [
    [draws(pytorchLinear(256)), 1 / 16],
    [draws(kaimingUniform(64)), 1 / 8],
    [draws(kaimingUniform(6, 0)), 1],
  ] as const) {
    const [mean, square] = moments(values);
    expect(Math.abs(mean)).toBeLessThan((5 * bound) / Math.sqrt(3 * values.length));
    expect(Math.abs(square - bound ** 2 / 3)).toBeLessThan(5 * bound ** 2 * Math.sqrt(4 / 45 / values.length));
  }
});

test("one seed gives one network; another seed another", () => {
  const differs = (other: Float32Array): boolean => other.some((value, i) => value !== parameters[i]);
  expect([1, 2].map((seed) => differs(initializeDDiT(config, random(seed))))).toEqual([false, true]);
});

test("Muon's matrices are the blocks' linear weights and nothing else", () => {
  const names = layout.views.map(({ name }) => name).filter(isHiddenMatrix);
  expect(names).toEqual([0, 1].flatMap((i) => ["attn_qkv", "attn_out", "mlp.0", "mlp.2"].map((part) => `blocks.${i}.${part}.weight`)));
});
