/** The validation bound: fixed noise, and the same quantity as the likelihood bound of diffusion/likelihood.ts. */
import { describe, expect, test } from "vitest";
import { summariseBound } from "../../src/diffusion/bound.ts";
import { boundSamples, uniformPriorKl } from "../../src/diffusion/likelihood.ts";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { memorySource, type TokenSource } from "../../src/text/source.ts";
import { space } from "../support/oracle.ts";
import { gaussLegendre } from "../support/quadrature.ts";
import { trainTinyModel } from "../support/tiny-model.ts";
import { createValidation } from "../../src/training/validation.ts";

const runtime = { threads: 1, spinning: false };
const length = 8;
const base: SeddConfig = {
  network: { states: 13, hidden: 16, layers: 1, heads: 2, conditioning: 8, dropout: 0.3 },
  graph: "absorb",
  noise: { kind: "loglinear", eps: 0.2 },
  parameterization: "normalized",
  scaleBySigma: true,
};

const uniformBase: SeddConfig = { ...base, graph: "uniform", parameterization: "score", scaleBySigma: false };

/** Fresh parameters shaken, so that the zero head and adaLN say something. */
function shaken(config: SeddConfig, seed = 3): Float32Array {
  const stream = random(seed);
  return seddObjective(config)
    .initialize(stream)
    .map((value) => value + 0.15 * stream.normal());
}

const stream = random(11);
const text = Int32Array.from({ length: 500 }, () => stream.integer(12));

describe("fixed windows, times and corruption", () => {
  const make = (seed: number, source: TokenSource = memorySource(text)) =>
    createValidation(seddObjective(base), base, source, { windows: 32, length, seed }, runtime);

  test("equal parameters give exactly equal numbers, others others; no dropout", async () => {
    const [a, b, other] = [await make(1), await make(1), await make(2)];
    const [p, q] = [shaken(base), shaken(base, 4)];
    const first = await a.bound(p);
    await a.bound(q);
    expect(await a.bound(p)).toEqual(first);
    expect(await b.bound(p)).toEqual(first);
    expect((await b.bound(q)).natsPerToken).not.toBe(first.natsPerToken);
    expect((await other.bound(p)).natsPerToken).not.toBe(first.natsPerToken);
    for (const validation of [a, b, other]) await validation.dispose();
  });

  test("windows are spread evenly over the text, first to last; few windows still give an error bar", async () => {
    const starts: number[] = [];
    const spy: TokenSource = { count: text.length, window: async (start, n) => (starts.push(start), text.slice(start, start + n)) };
    await make(1, spy);
    const sorted = starts.toSorted((a, b) => a - b);
    expect(sorted).toHaveLength(32);
    expect(sorted[0]).toBe(0);
    for (let i = 1; i < 32; i++) expect(Math.abs(sorted[i]! - sorted[i - 1]! - (500 - length + 1) / 32)).toBeLessThanOrEqual(1);
    const few = await createValidation(seddObjective(base), base, memorySource(text), { windows: 1, length, seed: 1 }, runtime);
    expect((await few.bound(shaken(base))).standardError).toBeGreaterThan(0);
    await few.dispose();
  });

  test("a signal stops between batches; every batch lets the event loop turn", async () => {
    const validation = await make(1);
    const controller = new AbortController();
    let pauses = 0;
    const pause = async (): Promise<void> => {
      pauses++;
      controller.abort();
    };
    const thrown: unknown = await validation.bound(shaken(base), { signal: controller.signal, pause }).catch((error: unknown) => error);
    expect(thrown).toBe(controller.signal.reason);
    expect(pauses).toBe(1);
    await validation.dispose();
  });
});

test("a network that knows nothing: exactly log V a token, whatever the noise", async () => {
  // Fresh parameters: the head is zero, so every token has probability 1/V at every time.
  for (const noise of [base.noise, { kind: "geometric", sigmaMin: 0.05, sigmaMax: 9 }] as const) {
    const config = { ...base, noise };
    const validation = await createValidation(seddObjective(config), config, memorySource(text), { windows: 32, length, seed: 5 }, runtime);
    const { natsPerToken, standardError } = await validation.bound(seddObjective(config).initialize(random(1)));
    // X = log V at every masked position and time, and the terms add up to span + tail + reconstruction = 1 of it; float32 sums.
    expect(natsPerToken).toBeCloseTo(Math.log(12), 5);
    expect(standardError).toBeLessThan(1e-5);
    await validation.dispose();
  }
});

test("a network that knows nothing, uniform graph: log V a token", async () => {
  // Fresh parameters say s = 1, the exact score of uniformly random text. There the bound is tight, and by symmetry the same for every text.
  for (const [noise, windows, precision] of [
    [base.noise, 6400, 0.03],
    [{ kind: "geometric", sigmaMin: 0.05, sigmaMax: 9 }, 1600, 0.06],
  ] as const) {
    const config = { ...uniformBase, noise };
    const validation = await createValidation(seddObjective(config), config, memorySource(text), { windows, length, seed: 5 }, runtime);
    const { natsPerToken, standardError } = await validation.bound(seddObjective(config).initialize(random(1)));
    await validation.dispose();
    // 4.5 standard errors, as below; few enough to miss the prior, 0.16 nats with log-linear noise that ends at e^{−σ} = 0.2.
    expect(Math.abs(natsPerToken - Math.log(13))).toBeLessThan(4.5 * standardError);
    expect(standardError).toBeLessThan(precision);
  }
});

test("a trained model, uniform graph: equals the bound summed over all states and integrated, and its likelihood estimate", async () => {
  const { config, score, parameters } = await trainTinyModel("uniform score", { steps: 80 });
  const window = Int32Array.of(0, 2, 1);
  const noise = noiseFrom(config.noise);
  const states = space(3, 3);
  const everything = Int32Array.from(Array.from({ length: states.size }, (_, k) => [...states.at(k)]).flat());
  // ∫ E[SE] dσ over m = v³, smooth in v, where Gauss–Legendre with 24 nodes is exact to 1e-8.
  let exact = 3 * uniformPriorKl(3, noise.sigma(1));
  const span = -Math.expm1(-noise.sigma(1));
  for (const [node, weight] of gaussLegendre(24)) {
    const v = (1 + node) / 2;
    const m = span * v ** 3;
    const sigma = -Math.log1p(-m);
    const rows = await score.all(everything, new Float64Array(states.size).fill(sigma));
    for (let k = 0; k < states.size; k++) {
      const x = states.at(k);
      const probability = x.reduce((p, token, i) => p * score.graph.transition(window[i]!, sigma)[token]!, 1);
      let sum = 0;
      x.forEach(
        (token, i) => (sum += scoreEntropy(score.graph, rows.subarray((3 * k + i) * 3, (3 * k + i + 1) * 3), sigma, token, window[i]!)),
      );
      exact += ((weight / 2) * 3 * v * v * span * probability * sum) / (1 - m);
    }
  }
  const source: TokenSource = { count: 1000, window: async () => window };
  const validation = await createValidation(seddObjective(config), config, source, { windows: 6400, length: 3, seed: 7 }, runtime);
  const ours = await validation.bound(parameters);
  await validation.dispose();
  const bound = summariseBound(await boundSamples(score, noise, [window], { samples: 4096, random: random(9) }));
  await score.dispose();
  // 4.5 standard errors, as below.
  for (const [estimate, error] of [
    [ours.natsPerToken, ours.standardError],
    [bound.total / 3, bound.standardError / 3],
  ] as const) {
    expect(Math.abs(estimate - exact / 3)).toBeLessThan(4.5 * error);
    expect(error / exact).toBeLessThan(0.02);
  }
});

test.each([
  ["normalized, log-linear", {}],
  ["score, log-linear", { parameterization: "score" }],
  ["score without σ-scaling", { parameterization: "score", scaleBySigma: false }],
  ["normalized, geometric with a reconstruction term", { noise: { kind: "geometric", sigmaMin: 0.2, sigmaMax: 6 } }],
  ["uniform, log-linear", { graph: "uniform", parameterization: "score", scaleBySigma: false }, 0.025],
  [
    "uniform, geometric with a reconstruction term",
    { graph: "uniform", parameterization: "score", scaleBySigma: false, noise: { kind: "geometric", sigmaMin: 0.1, sigmaMax: 6 } },
    0.04,
  ],
] as [string, Partial<SeddConfig>, number?][])(
  "equals the likelihood bound of the same window: %s",
  async (_, changes, precision = 0.01) => {
    const config = { ...base, ...changes };
    const window = text.slice(0, length);
    // Every window of this source is the same one.
    const source: TokenSource = { count: 1000, window: async () => window };
    const parameters = shaken(config);
    const windows = config.graph === "uniform" ? 16_000 : 3200;
    const validation = await createValidation(seddObjective(config), config, source, { windows, length, seed: 7 }, runtime);
    const ours = await validation.bound(parameters);
    await validation.dispose();
    const score = networkScore(config, parameters, runtime);
    const samples = config.graph === "uniform" ? 10_240 : 2048;
    const bound = summariseBound(await boundSamples(score, noiseFrom(config.noise), [window], { samples, random: random(9) }));
    await score.dispose();
    const error = Math.hypot(ours.standardError, bound.standardError / length);
    // 4.5 combined standard errors (two-sided 7e-6, fixed seeds); the bar itself must be small enough to tell the terms apart (the uniform graph's
    // estimate varies more: few tokens are moved where moved ones weigh most).
    expect(Math.abs(ours.natsPerToken - bound.total / length)).toBeLessThan(4.5 * error);
    expect(error / ours.natsPerToken).toBeLessThan(precision);
  },
);
