/** The validation bound: fixed noise, and the same quantity as the likelihood bound of diffusion/likelihood.ts. */
import { describe, expect, test } from "vitest";
import { boundSamples, summariseBound } from "../../src/diffusion/likelihood.ts";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { memorySource, type TokenSource } from "../../src/text/source.ts";
import { createValidation } from "../../src/training/validation.ts";

const runtime = { threads: 1, spinning: false };
const length = 8;
const base: SeddConfig = {
  network: { states: 13, hidden: 16, layers: 1, heads: 2, conditioning: 8, dropout: 0.3 },
  noise: { kind: "loglinear", eps: 0.2 },
  parameterization: "normalized",
  scaleBySigma: true,
};

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

test.each([
  ["normalized, log-linear", {}],
  ["score, log-linear", { parameterization: "score" }],
  ["score without σ-scaling", { parameterization: "score", scaleBySigma: false }],
  ["normalized, geometric with a reconstruction term", { noise: { kind: "geometric", sigmaMin: 0.2, sigmaMax: 6 } }],
] as [string, Partial<SeddConfig>][])("equals the likelihood bound of the same window: %s", async (_, changes) => {
  const config = { ...base, ...changes };
  const window = text.slice(0, length);
  // Every window of this source is the same one.
  const source: TokenSource = { count: 1000, window: async () => window };
  const parameters = shaken(config);
  const validation = await createValidation(seddObjective(config), config, source, { windows: 3200, length, seed: 7 }, runtime);
  const ours = await validation.bound(parameters);
  await validation.dispose();
  const score = networkScore(config, parameters, runtime);
  const bound = summariseBound(await boundSamples(score, noiseFrom(config.noise), [window], { samples: 2048, random: random(9) }));
  await score.dispose();
  const error = Math.hypot(ours.standardError, bound.standardError / length);
  // 4.5 combined standard errors (two-sided 7e-6, fixed seeds); the bar itself must be small enough to tell the terms apart.
  expect(Math.abs(ours.natsPerToken - bound.total / length)).toBeLessThan(4.5 * error);
  expect(error / ours.natsPerToken).toBeLessThan(0.01);
});
