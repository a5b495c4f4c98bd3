/** The process as matrices, against a matrix exponential and against differential equations: all states, both graphs, vocabularies of 1 to 40. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import {
  concreteScore,
  marginal,
  rateMatrix,
  reverseRateMatrix,
  scoreAtPosition,
  transitionMatrix,
  type Matrix,
} from "../../src/diffusion/process.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";
import { golden, relativeError } from "../support/fixtures.ts";
import { difference, matrixExponential, multiply } from "../support/matrix.ts";
import { oracle } from "../support/oracle.ts";

const apply = (m: Matrix, p: ArrayLike<number>): number[] => m.map((row) => row.reduce((sum, value, x) => sum + value * p[x]!, 0));
const plain = (m: Matrix): number[][] => m.map((row) => [...row]);

describe("the matrix exponential that judges", () => {
  it("is right where a closed form is known: rotations, shears, a diagonal, and e itself", () => {
    for (const angle of [1e-3, 1, 7]) {
      const [c, s] = [Math.cos(angle), Math.sin(angle)];
      expect(difference(matrixExponential([[0, -angle], [angle, 0]]), [[c, -s], [s, c]])).toBeLessThan(1e-14); // prettier-ignore
    }
    expect(difference(matrixExponential([[0, 1, 0], [0, 0, 1], [0, 0, 0]]), [[1, 1, 0.5], [0, 1, 1], [0, 0, 1]])).toBe(0); // prettier-ignore
    // e^{−20}, by seven squarings of e^{−20/128}: 128 roundings, of a value of 2e-9.
    const [[decayed]] = matrixExponential([[-20]]) as [[number]];
    expect(Math.abs(decayed / Math.exp(-20) - 1)).toBeLessThan(128 * 2.3e-16 * 2);
    // Not commuting: exp(A + B) is neither exp(A) exp(B) nor exp(B) exp(A); one matrix with known eigenvectors, [[1, 2], [0, 3]].
    expect(difference(matrixExponential([[1, 2], [0, 3]]), [[Math.E, Math.exp(3) - Math.E], [0, Math.exp(3)]])).toBeLessThan(1e-13); // prettier-ignore
  });
});

const graphs = (["absorb", "uniform"] as const).flatMap((kind) =>
  [1, 2, 3, 11, 40].map((V): [string, number, Graph] => [kind, V, kind === "absorb" ? absorb(V) : uniform(V)]),
);
const sigmas = [1e-6, 1e-5, 1e-3, 0.03, 0.3, 1, 3, 7, 12, 20];
/** Laws over V tokens, among them one with impossible tokens. */
const laws = (V: number): Float64Array[] => {
  const ramp = Float64Array.from({ length: V }, (_, y) => (2 * (y + 1)) / (V * (V + 1)));
  const one = new Float64Array(V);
  one[V - 1] = 1;
  return [ramp, one];
};

describe.each(graphs)("%s, V = %d", (_kind, V, graph) => {
  const q = rateMatrix(graph);

  it("Q has columns that sum to 0 and no negative rate between states; it is the graph's own, column by column", () => {
    for (let x = 0; x < graph.states; x++) {
      expect(q.map((row) => row[x])).toEqual([...graph.rate(x)]);
      expect(Math.abs(q.reduce((sum, row) => sum + row[x]!, 0))).toBeLessThan(1e-14);
      q.forEach((row, y) => y !== x && expect(row[x]).toBeGreaterThanOrEqual(0));
    }
  });

  it("exp(σQ) is the matrix exponential, all states, σ from 1e-6 to 20", () => {
    for (const sigma of sigmas) {
      const exact = matrixExponential(q.map((row) => Array.from(row, (value) => sigma * value)));
      // Entries are at most 1; the judge's seven squarings make 128 roundings of sums over the states.
      expect(difference(transitionMatrix(graph, sigma), exact)).toBeLessThan(1e-13);
    }
  });

  if (V > 1)
    it("the comparison bites: Q transposed and a decay of e^{−1.001σ} are seen", () => {
      const exact = matrixExponential(q.map((row) => Array.from(row, (value) => 0.3 * value)));
      expect(difference(transitionMatrix(graph, 0.3 * 1.001), exact)).toBeGreaterThan(1e-5);
      const turned = exact.map((row, i) => row.map((_, j) => exact[j]![i]!));
      if (graph.mask !== undefined) expect(difference(transitionMatrix(graph, 0.3), turned)).toBeGreaterThan(0.1);
    });

  it("the marginal is exp(σQ) p0, and noise adds up: exp(τQ) exp(σQ) = exp((σ+τ)Q)", () => {
    for (const p0 of laws(V))
      for (const sigma of sigmas) {
        const padded = Float64Array.from({ length: graph.states }, (_, y) => p0[y] ?? 0);
        const exact = apply(transitionMatrix(graph, sigma), padded);
        marginal(graph, p0, sigma).forEach((p, y) => expect(Math.abs(p - exact[y]!)).toBeLessThan(1e-15));
      }
    const both = multiply(plain(transitionMatrix(graph, 0.4)), plain(transitionMatrix(graph, 0.9)));
    expect(difference(transitionMatrix(graph, 1.3), both)).toBeLessThan(1e-15 * graph.states);
  });

  it("the reverse rates of the exact score turn the noise back: dp/dσ = −Q̄ p", () => {
    for (const p0 of laws(V))
      for (const sigma of [0.01, 0.5, 3]) {
        const p = marginal(graph, p0, sigma);
        const reverse = reverseRateMatrix(graph, concreteScore(p));
        const forward = apply(q, p);
        apply(reverse, p).forEach((flow, y) => expect(Math.abs(flow + forward[y]!)).toBeLessThan(1e-14));
        for (let x = 0; x < graph.states; x++) expect(Math.abs(reverse.reduce((sum, row) => sum + row[x]!, 0))).toBeLessThan(1e-12 / sigma);
      }
  });
});

it("integrated backwards from a state at σ = 2 the reverse rates give Bayes' law of where it was at σ = 0.1 (fourth-order Runge–Kutta)", () => {
  for (const graph of [absorb(3), uniform(3)]) {
    const p0 = [0.7, 0.2, 0.1];
    const [late, early] = [marginal(graph, p0, 2), marginal(graph, p0, 0.1)];
    const between = transitionMatrix(graph, 1.9);
    const flow = (sigma: number, p: number[]) => apply(reverseRateMatrix(graph, concreteScore(marginal(graph, p0, sigma))), p);
    const add = (p: number[], scale: number, d: number[]) => p.map((value, y) => value + scale * d[y]!);
    const steps = 400;
    const h = 1.9 / steps;
    for (let x = 0; x < graph.states; x++) {
      let p = Array.from(late, (_, y) => Number(y === x));
      for (let k = 0; k < steps; k++) {
        const sigma = 2 - k * h;
        const a = flow(sigma, p);
        const b = flow(sigma - h / 2, add(p, h / 2, a));
        const c = flow(sigma - h / 2, add(p, h / 2, b));
        const d = flow(sigma - h, add(p, h, c));
        p = p.map((value, y) => value + (h / 6) * (a[y]! + 2 * b[y]! + 2 * c[y]! + d[y]!));
      }
      // p(y at 0.1 | x at 2) = p(x at 2 | y at 0.1) p(y at 0.1) / p(x at 2). Rates stay below 40: an error of (40 h)^4 / 120 where they are, 1e-5.
      p.forEach((value, y) => expect(Math.abs(value - (between[x]![y]! * early[y]!) / late[x]!)).toBeLessThan(1e-5));
    }
  }
});

describe("a position of a text", () => {
  const p0 = golden("enumerable.safetensors").float64("p0");
  it.each([absorb(3), uniform(3)])("$kind: its score is the ratio of the text's law with the rest held still", async (graph) => {
    const truth = oracle(graph, p0, 3);
    const sigma = 0.6;
    for (const text of [
      [0, 1, 2],
      [2, 2, 0],
    ])
      for (let position = 0; position < 3; position++) {
        const score = await scoreAtPosition(truth.score, graph, text, sigma, position);
        const law = Float64Array.from({ length: graph.states }, (_, y) => {
          const other = text.slice();
          other[position] = y;
          return truth.marginal(sigma)[truth.noisy.index(other)]!;
        });
        expect(relativeError(score.flatMap((row) => [...row]), concreteScore(law).flatMap((row) => [...row]), "tensor")).toBeLessThan(1e-13); // prettier-ignore
        // The law of the position given the rest flows as its own forward process turned back.
        const flow = apply(reverseRateMatrix(graph, score), law);
        apply(rateMatrix(graph), law).forEach((forward, y) => expect(Math.abs(flow[y]! + forward)).toBeLessThan(1e-14));
      }
  });
  it("refuses positions that are not there, and scores of another size", async () => {
    const graph = absorb(2);
    const none = async () => scoreAtPosition(() => new Float64Array(0), graph, [0, 1], 1, 1);
    await expect(none()).rejects.toThrow("the score returned 0 numbers, not 3 rows × 2 positions × 3 states");
    await expect(scoreAtPosition(() => new Float64Array(0), graph, [0, 1], 1, 2)).rejects.toThrow(
      "no position 2; the text has positions 0 to 1",
    );
  });
});

it.each<[string, () => unknown, string]>([
  ["negative noise", () => transitionMatrix(absorb(2), -1), "transitionMatrix: sigma must be a finite number of at least 0, got -1"],
  ["endless noise", () => marginal(absorb(2), [1, 0], Infinity), "marginal: sigma must be a finite number of at least 0, got Infinity"],
  ["a law of another size", () => marginal(absorb(2), [1], 1), "marginal: p0 has 1 entries, the graph 2 tokens"],
  ["what sums to 2", () => marginal(uniform(2), [1, 1], 1), "marginal: p0 sums to 2; the entries of a law sum to 1"],
  ["a negative entry", () => marginal(uniform(2), [1.5, -0.5], 1), "marginal: p0 has the entry -0.5 at 1; probabilities are at least 0"],
  ["a score of another size", () => reverseRateMatrix(absorb(2), [new Float64Array(3)]), "a score of 3 × 3 numbers is needed"],
])("refuses %s", (_name, act, message) => {
  expect(act).toThrow(UserError);
  expect(act).toThrow(message);
});
