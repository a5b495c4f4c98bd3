import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { random } from "../../src/platform/random.ts";
import { golden, relativeError } from "../support/fixtures.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";

const graphs: [string, Graph][] = [
  ["uniform", uniform(11)],
  ["absorb", absorb(11)],
];

describe.each(graphs)("%s graph", (name, graph) => {
  const file = golden("graphs.safetensors");
  const i = file.int32(`${name}.i`);
  const sigma = file.float64(`${name}.sigma`);
  const delta = file.float64(`${name}.dsigma`);
  const score = file.float64(`${name}.score`);
  const S = graph.states;
  const length = i.length / sigma.length;
  const each = (f: (x: number, row: number, score: Float64Array) => Float64Array) =>
    Float64Array.from([...i].flatMap((x, k) => [...f(x, Math.floor(k / length), score.subarray(k * S, (k + 1) * S))]));

  // The goldens are float64 and so is this: 1e-12 leaves room for the reference's 1 − e^{−σ}.
  it.each<[string, (x: number, row: number, score: Float64Array) => Float64Array]>([
    ["rate", (x) => graph.rate(x)],
    ["transp_rate", (x) => graph.rateInto(x)],
    ["transp_transition", (x, row) => graph.transitionInto(x, sigma[row]!)],
    ["staggered_score", (_x, row, s) => graph.staggeredScore(s, delta[row]!)],
    ["reverse_rate", (x, _row, s) => graph.reverseRate(x, s)],
  ])("%s equals the golden one", (tensor, f) => {
    expect(relativeError(each(f), file.float64(`${name}.${tensor}`), "last", S)).toBeLessThan(1e-12);
  });

  it("transition equals the golden one, and the rows it is the transpose of", () => {
    if (name === "uniform")
      expect(
        relativeError(
          each((x, row) => graph.transition(x, sigma[row]!)),
          file.float64("uniform.transition"),
          "last",
          S,
        ),
      ).toBeLessThan(1e-12);
    for (const s of [1e-6, 0.5, 20])
      for (let x = 0; x < S; x++) for (let y = 0; y < S; y++) expect(graph.transitionInto(y, s)[x]).toBe(graph.transition(x, s)[y]);
  });

  it("columns of transition sum to 1, those of rate to 0", () => {
    for (let x = 0; x < S; x++) {
      expect(graph.rate(x).reduce((a, b) => a + b)).toBeCloseTo(0, 14);
      expect(graph.transition(x, 0.7).reduce((a, b) => a + b)).toBeCloseTo(1, 14);
    }
  });

  it("corrupts with the law of transition, row by row", () => {
    const rows = 2;
    const perRow = 40_000;
    const token = 3;
    const noisy = graph.corrupt(new Int32Array(rows * perRow).fill(token), Float64Array.of(0.2, 3), random(7));
    [0.2, 3].forEach((s, row) => {
      const counts = new Float64Array(S);
      noisy.subarray(row * perRow, (row + 1) * perRow).forEach((x) => counts[x]!++);
      const { statistic, freedom } = chiSquare(counts, graph.transition(token, s));
      expect(statistic).toBeLessThan(freedom === 1 ? 23.93 : chiSquareLimit(freedom)); // 23.93: the 1e-6 point at one degree
    });
  });

  it("starts from the limit law", () => {
    const drawn = graph.prior(20_000, random(3));
    const counts = new Float64Array(S);
    drawn.forEach((x) => counts[x]!++);
    if (name === "absorb") expect(counts[11]).toBe(20_000);
    else expect(chiSquare(counts, new Float64Array(11).fill(1 / 11)).statistic).toBeLessThan(chiSquareLimit(10));
  });
});

describe("graphs", () => {
  it("have the shapes that design and data agree on", () => {
    expect(absorb(5)).toMatchObject({ kind: "absorb", vocabularySize: 5, states: 6, mask: 5 });
    expect(uniform(5)).toMatchObject({ kind: "uniform", vocabularySize: 5, states: 5 });
    expect(uniform(5).mask).toBeUndefined();
  });
  it("refuse a vocabulary that is none", () => {
    expect(() => absorb(0)).toThrow("absorb: the vocabulary size must be a whole number of at least 1, got 0");
    expect(() => uniform(2.5)).toThrow("got 2.5");
  });
  it("corrupt refuses tokens that do not fill the rows", () => {
    expect(() => absorb(3).corrupt(new Int32Array(5), new Float64Array(2), random(1))).toThrow("5 tokens do not divide into the 2 rows");
  });
});
