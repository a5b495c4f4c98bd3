/** Each predictor's weights against the golden vectors and the defining formula; its output law against the exactly propagated golden one. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { analyticLaw } from "../../src/diffusion/analytic.ts";
import { denoiseLaw } from "../../src/diffusion/denoise.ts";
import { eulerLaw } from "../../src/diffusion/euler.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { type Law, normalised, probabilities } from "../../src/diffusion/law.ts";
import { geometric, logLinear, type Noise } from "../../src/diffusion/noise.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { random } from "../../src/platform/random.ts";
import { golden, relativeError } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";
import { propagatedLaw } from "../support/propagation.ts";
import { totalVariation } from "../support/statistics.ts";

describe.each<[string, Graph, Noise]>([
  ["absorb", absorb(50), logLinear()],
  ["uniform", uniform(50), geometric()],
])("golden vectors before the draw, %s", (name, graph, noise) => {
  // The scores are the fixture network's. They are read off the Euler vector, p(y) = Δt σ'(t) π(x) s_y for y ≠ x; its staying weight, the other vectors and
  // everything about them are then predictions. (The network's own tests compare its scores.)
  const file = golden(`sampler-${name}.safetensors`);
  const x = file.int32("x");
  const t = file.float64("t");
  const [sigma, sigmaNext] = [file.float64("sigma"), file.float64("sigma_next")];
  const step = file.float64("step_size")[0]!;
  const euler = file.float64("euler_f64");
  const S = graph.states;
  const rowOf = (k: number) => Math.floor((k * t.length) / x.length);
  const eulerAt = (r: number) => eulerLaw(graph, noise.rate(t[r]!) * step);
  const logScore = (k: number) => {
    const gain = noise.rate(t[rowOf(k)]!) * step * (name === "absorb" ? 1 : 1 / 50);
    return Float64Array.from({ length: S }, (_, y) => (y === x[k] ? 0 : Math.log(euler[k * S + y]! / gain)));
  };
  const vectors = (law: (row: number) => Law, states = S) =>
    Float64Array.from([...x].flatMap((token, k) => [...probabilities(law(rowOf(k)), token, logScore(k)).subarray(0, states)]));

  it("σ is the schedule's", () => {
    expect(relativeError(t.map(noise.sigma), sigma, "element (no floor)")).toBeLessThan(1e-12);
    expect(
      relativeError(
        t.map((time) => noise.sigma(time - step)),
        sigmaNext,
        "element (no floor)",
      ),
    ).toBeLessThan(1e-12);
  });
  // Float64 against float64; 1e-9 of each vector's largest entry is far below the stated tolerances, which are for float32 networks.
  it("euler", () => expect(relativeError(vectors(eulerAt), euler, "last", S)).toBeLessThan(1e-9));
  it("analytic", () => {
    const at = (r: number) => analyticLaw(graph, sigma[r]! - sigmaNext[r]!);
    expect(relativeError(vectors(at), file.float64("analytic_f64"), "last", S)).toBeLessThan(1e-9);
  });
  it("denoise", () => {
    expect(
      relativeError(
        vectors((r) => denoiseLaw(graph, sigma[r]!), 50),
        file.float64("denoise_f64"),
        "last",
        50,
      ),
    ).toBeLessThan(1e-9);
  });
});

describe.each<[string, Graph]>([
  ["absorb", absorb(6)],
  ["uniform", uniform(6)],
])("the three coefficients are the defining formula, %s", (_name, graph) => {
  const stream = random(5);
  const S = graph.states;
  const x = graph.mask ?? 2;
  const score = Float64Array.from({ length: S }, (_, y) => (y === x ? 1 : Math.exp(2 * stream.normal())));
  it.each([1e-6, 0.01, 1, 6])("analytic and denoise at Δ = %d", (delta) => {
    const [staggered, into] = [graph.staggeredScore(score, delta), graph.transitionInto(x, delta)];
    const expected = staggered.map((s, y) => s * into[y]!);
    expect(relativeError(probabilities(analyticLaw(graph, delta), x, score.map(Math.log)), expected, "tensor")).toBeLessThan(1e-13);
    if (graph.mask !== undefined) expected[graph.mask] = 0;
    expect(relativeError(probabilities(denoiseLaw(graph, delta), x, score.map(Math.log)), expected, "tensor")).toBeLessThan(1e-13);
  });
  it("euler", () => {
    const expected = graph.reverseRate(x, score).map((rate, y) => Number(x === y) + 0.03 * rate);
    expect(relativeError(probabilities(eulerLaw(graph, 0.03), x, score.map(Math.log)), expected, "tensor")).toBeLessThan(1e-14);
  });
  it("analytic weights sum to 1, Euler's too, for any score", () => {
    for (const law of [analyticLaw(graph, 0.4), eulerLaw(graph, 0.1)])
      expect(probabilities(law, x, score.map(Math.log)).reduce((a, b) => a + b)).toBeCloseTo(1, 12);
  });
});

it("a step from beyond all noise, where e^Δ is no number any more, is the step from very much noise", () => {
  const logs = [0.3, -0.2, 0, 0.1];
  const at = (delta: number) => normalised(probabilities(analyticLaw(uniform(4), delta), 2, logs));
  for (const delta of [699, 701, 1e6]) expect(relativeError(at(delta), at(60), "tensor")).toBeLessThan(1e-13);
});

it("Euler and analytic coincide under absorb with log-linear noise, and only there", () => {
  const [t, s] = [0.7, 0.6];
  const [a, e] = [predictors.analytic, predictors.euler];
  expect(a(absorb(4), logLinear(), t, s).gain).toBeCloseTo(e(absorb(4), logLinear(), t, s).gain, 14);
  expect(Math.abs(a(absorb(4), geometric(), t, s).gain / e(absorb(4), geometric(), t, s).gain - 1)).toBeGreaterThan(0.1);
  expect(Math.abs(a(uniform(4), logLinear(), t, s).gain / e(uniform(4), logLinear(), t, s).gain - 1)).toBeLessThan(1e-12);
  expect(a(uniform(4), logLinear(), t, s).drain).toBeGreaterThan(0);
});

describe.each(["absorb", "uniform"] as const)("exact propagation, %s", (name) => {
  const file = golden("enumerable.safetensors");
  const graph = name === "absorb" ? absorb(3) : uniform(3);
  const truth = oracle(graph, file.float64("p0"), 3);

  it("the oracle itself is the fixture's", () => {
    const sigmas = file.float64("sigmas");
    const [marginal, score, transition] = [
      file.float64(`${name}.marginal`),
      file.float64(`${name}.score`),
      file.float64(`${name}.transition`),
    ];
    const N = truth.noisy.size;
    sigmas.forEach((sigma, k) => {
      expect(relativeError(truth.marginal(sigma), marginal.subarray(k * N, (k + 1) * N), "tensor")).toBeLessThan(1e-12);
      const width = 3 * graph.states;
      for (let x = 0; x < N; x++)
        expect(
          relativeError(truth.logScore(sigma, x).map(Math.exp), score.subarray((k * N + x) * width, (k * N + x + 1) * width), "tensor"),
        ).toBeLessThan(1e-11);
      for (let x0 = 0; x0 < 27; x0++) {
        const clean = truth.clean.at(x0);
        for (let x = 0; x < N; x++)
          expect(
            Math.abs(truth.forward(clean, truth.noisy.at(x), sigma) - transition[(k * N + truth.noisy.index(clean)) * N + x]!),
          ).toBeLessThan(1e-13);
      }
    });
  });

  it.each(["analytic", "euler"] as const)("%s: the law it samples from is the golden one for every K, to 1e-9", (sampler) => {
    const expected = file.float64(`${name}.${sampler}.out`);
    const distances = file.float64(`${name}.${sampler}.tv`);
    file.int32("K").forEach((steps, k) => {
      const out = propagatedLaw(truth, predictors[sampler], logLinear(), steps);
      out.forEach((p, x) => expect(Math.abs(p - expected[k * 27 + x]!)).toBeLessThan(1e-9));
      expect(Math.abs(totalVariation(out, truth.p0) - distances[k]!)).toBeLessThan(1e-9);
    });
  });
});
