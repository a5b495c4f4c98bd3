import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { maskedExcess, ratios, scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { golden, goldenJson, relativeError } from "../support/fixtures.ts";

describe.each<[string, Graph]>([
  ["uniform", uniform(11)],
  ["absorb", absorb(11)],
])("score entropy, %s", (name, graph) => {
  const file = golden("graphs.safetensors");
  const [x, x0] = [file.int32(`${name}.se_x`), file.int32(`${name}.se_x0`)];
  const sigma = file.float64(`${name}.sigma`);
  const logScore = file.float64(`${name}.se_log_score`);
  const expected = file.float64(`${name}.score_entropy`);
  const at = (k: number) => logScore.subarray(k * graph.states, (k + 1) * graph.states);
  const sigmaOf = (k: number) => sigma[Math.floor((k * sigma.length) / x.length)]!;

  it("equals the golden one", () => {
    const actual = Float64Array.from(x, (_, k) => scoreEntropy(graph, at(k), sigmaOf(k), x[k]!, x0[k]!));
    expect(relativeError(actual, expected, "element")).toBeLessThan(1e-11); // float64 on both sides; sums of large terms
  });

  it("is 0 at the exact ratios and positive off them", () => {
    for (const s of [1e-6, 0.01, 1, 7, 20])
      for (const [noisy, clean] of name === "absorb"
        ? [[11, 4]]
        : [
            [4, 4],
            [3, 4],
          ]) {
        const r = ratios(graph, s, noisy!, clean!);
        const exact = Float64Array.from({ length: graph.states }, (_, y) => Math.log(y === clean ? r.atClean : r.elsewhere));
        const scale = r.atClean + graph.states;
        expect(Math.abs(scoreEntropy(graph, exact, s, noisy!, clean!)) / scale).toBeLessThan(1e-14);
        for (const shift of [-0.3, 1e-3, 2])
          expect(
            scoreEntropy(
              graph,
              exact.map((l) => l + shift),
              s,
              noisy!,
              clean!,
            ),
          ).toBeGreaterThan(0);
      }
  });
});

describe("score entropy, uniform at large vocabularies and small σ", () => {
  interface Row {
    N: number;
    sigma: number;
    x: number;
    x0: number;
    truth_f64: number;
  }
  const { rows } = goldenJson<{ rows: Row[] }>("uniform-entropy-quirk.json");
  it("equals the truth at every golden row (where the usual form is NaN or wrong)", () => {
    expect(rows.length).toBeGreaterThan(20);
    for (const { N, sigma, x, x0, truth_f64 } of rows) {
      const logScore = Float64Array.from({ length: N }, (_, j) => 0.1 * Math.sin(j));
      logScore[x] = 0;
      expect(Math.abs(scoreEntropy(uniform(N), logScore, sigma, x, x0) / truth_f64 - 1), JSON.stringify({ N, sigma, x, x0 })).toBeLessThan(
        1e-11,
      );
    }
  });
});

describe("score entropy, absorb from two numbers", () => {
  const graph = absorb(6);
  const logScore = Float64Array.of(-1, 0.5, 2, -7, 0, 1, 0);
  const sum = logScore.subarray(0, 6).reduce((a, l) => a + Math.exp(l), 0);
  it.each([1e-5, 0.02, 1, 6.9])("equals the whole row's at σ = %d", (sigma) => {
    const whole = scoreEntropy(graph, logScore, sigma, 6, 2);
    expect(Math.abs(maskedExcess(sum, logScore[2]!, sigma) / Math.expm1(sigma) / whole - 1)).toBeLessThan(1e-11);
  });
  it("is the cross-entropy, divided by e^σ − 1, for a normalised score", () => {
    const sigma = 0.3;
    const h = logScore.subarray(0, 6).map((l) => Math.exp(l) / sum);
    expect(maskedExcess(1 / Math.expm1(sigma), Math.log(h[1]! / Math.expm1(sigma)), sigma)).toBeCloseTo(-Math.log(h[1]!), 13);
  });
  it("is 0 where x is not MASK, and infinite where the clean token has score 0", () => {
    expect(scoreEntropy(graph, logScore, 1, 2, 2)).toBe(0);
    expect(scoreEntropy(graph, Float64Array.of(-1, -Infinity, 0, 0, 0, 0, 0), 1, 6, 1)).toBe(Infinity);
    expect(scoreEntropy(graph, Float64Array.of(-1, -Infinity, 0, 0, 0, 0, 0), 1, 6, 0)).toBeLessThan(Infinity);
  });
});
