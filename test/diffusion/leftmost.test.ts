/** The left-to-right sampler: its law is the one whose exact likelihood unmasking from left to right gives. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { geometric, logLinear } from "../../src/diffusion/noise.ts";
import { type Frame, run, type RunOptions } from "../../src/diffusion/sampler.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { unmaskingSamples } from "../../src/diffusion/unmasking.ts";
import { random } from "../../src/platform/random.ts";
import { space } from "../support/oracle.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";

/** Scores of no law, which depend on everything: σ, the place and every other token. */
const score = denseScore((tokens, sigma) => {
  const out = new Float64Array(tokens.length * 4);
  for (let p = 0; p < tokens.length; p++) {
    const [r, i] = [Math.floor(p / 3), p % 3];
    const key = tokens.slice(3 * r, 3 * r + 3).reduce((sum, token) => (sum * 17 + 5 * token + 1) % 101, i);
    for (let y = 0; y < 3; y++) out[4 * p + y] = 1.5 * Math.sin(key + 2 * y) + Math.cos(key * y + sigma[r]!);
  }
  return out;
}, absorb(3));
const clean = space(3, 3);
const texts = Array.from({ length: 27 }, (_, k) => clean.at(k));

const framesOf = async (options: Partial<RunOptions> = {}): Promise<Frame[]> => {
  const frames: Frame[] = [];
  for await (const frame of run(score, { noise: logLinear(), sampler: "left-to-right", length: 3, seed: 6, ...options }))
    frames.push(frame);
  return frames;
};

describe.each([
  ["loglinear", logLinear()],
  ["geometric", geometric(1e-3, 10)],
  ["geometric that begins high, where no score is asked below σ(0)", geometric(0.5, 9)],
] as const)("%s", (_, noise) => {
  it("draws follow that law", async () => {
    const { terms } = await unmaskingSamples(score, noise, texts, { order: "left-to-right", random: random(1) });
    const law = terms.unmasking!.map((nats) => Math.exp(-nats));
    expect(Math.abs(law.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-12);
    const count = 50_000;
    const { tokens } = (await framesOf({ noise, count })).at(-1)!;
    const counts = new Float64Array(27);
    for (let r = 0; r < count; r++) counts[clean.index(tokens, 3 * r)]!++;
    const { statistic, freedom } = chiSquare(counts, law);
    expect(statistic).toBeLessThan(chiSquareLimit(freedom));
  });
});

it("a hole a step and a call, from the left; what is given stays", async () => {
  const frames = await framesOf({ given: Int32Array.of(-1, 2, -1) });
  expect(frames.map(({ changed }) => [...changed])).toEqual([[], [0], [2], []]);
  expect(frames.map(({ step, steps, calls }) => [step, steps, calls])).toEqual([[0, 2, 0], [1, 2, 1], [2, 2, 2], [2, 2, 2]]); // prettier-ignore
  expect(frames.every(({ tokens }) => tokens[1] === 2)).toBe(true);
  expect(frames.map(({ time }) => time).every((time, k, all) => k === 0 || time <= all[k - 1]!)).toBe(true);
});

it("fewer steps write several tokens a call", async () => {
  expect((await framesOf({ steps: 2 })).map(({ changed }) => [...changed])).toEqual([[], [0], [1, 2], []]);
});

it("a corrector asks where one hole more is open than the step has left", async () => {
  const asked: number[][] = [];
  const noted = denseScore((tokens, sigma) => {
    asked.push([tokens.reduce((sum, token) => sum + Number(token === 3), 0), sigma[0]!]);
    return new Float64Array(tokens.length * 4);
  }, absorb(3));
  for await (const _ of run(noted, { noise: logLinear(), sampler: "left-to-right", length: 3, seed: 1, corrector: { calls: 2 } })) continue;
  // k of 3 holes open: asked at the mask level k/4, by the sampler and by the corrector alike.
  expect(asked.map(([open]) => open)).toEqual([3, 3, 3, 2, 2, 2, 1, 1, 1]);
  for (const [open, sigma] of asked) expect(sigma).toBeCloseTo(-Math.log1p(-open! / 4), 12);
});
