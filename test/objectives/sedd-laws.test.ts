/** Laws of clean tokens in a noisy text: against enumeration with an exact score, and against what a network's sampler draws from. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { load, type Model } from "../../src/model.ts";
import { lawsOf } from "../../src/objectives/sedd-laws.ts";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import { golden } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";
import { saveTextModel } from "./text-model.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const tokenizer = characterTokenizer(characterFile(["a", "b", "c"]));

describe.each([absorb(3), uniform(3)])("$kind: p(x0 | x) by enumeration", (graph) => {
  const truth = oracle(graph, p0, 3);
  const model = { score: denseScore(truth.score, graph), tokenizer, limit: 3 };
  /** Joint law of (clean text, x), summed over texts with y at position i. */
  const posterior = (x: Int32Array, i: number, sigma: number): number[] => {
    const law = [0, 0, 0];
    p0.forEach((p, k) => (law[truth.clean.at(k)[i]!]! += p * truth.forward(truth.clean.at(k), x, sigma)));
    const total = law.reduce((sum, p) => sum + p);
    return law.map((p) => p / total);
  };
  // Log-scores are exact to some 1e-15; under uniform the step is a difference of terms e^σ times as large (55 at σ = 4).
  test.each([0.05, 1, 4])("σ = %d, every noisy text", async (sigma) => {
    for (let k = 0; k < truth.noisy.size; k++) {
      const x = truth.noisy.at(k);
      const laws = await lawsOf(model, x, sigma, { top: 3 });
      expect(laws.map(({ position }) => position)).toEqual([0, 1, 2].filter((i) => graph.mask === undefined || x[i] === graph.mask));
      for (const { position, entropy, top } of laws) {
        const law = posterior(x, position, sigma);
        for (const { token, text, probability } of top) {
          expect(probability).toBeCloseTo(law[token]!, 12);
          expect(text).toBe("abc"[token]);
        }
        expect(top.map(({ probability }) => probability)).toEqual(top.map(({ probability }) => probability).sort((a, b) => b - a));
        expect(entropy).toBeCloseTo(
          law.reduce((sum, p) => sum - (p > 0 ? p * Math.log(p) : 0), 0),
          10,
        );
      }
    }
  });
});

describe("of a network", () => {
  const folder = mkdtempSync(join(tmpdir(), "sedd-test-"));
  let model: Model;
  beforeAll(async () => {
    await saveTextModel(folder, "abcdefgh ".repeat(50), { kind: "character", length: 24 });
    model = await load(folder, { threads: 1, batching: {} });
  });
  afterAll(async () => {
    await model.dispose();
    rmSync(folder, { recursive: true });
  });

  test("all MASK: what the sampler's first step drew from, given that it moved", async () => {
    const { sigma } = logLinear();
    const frames = [];
    for await (const frame of model.stream({ length: 24, steps: 2, seed: 3 })) frames.push(frame);
    const [start, first] = frames;
    const laws = await model.laws(start!.tokens, start!.sigma, { top: model.tokenizer.size });
    const moves = Math.expm1(sigma(1) - first!.sigma) / Math.expm1(sigma(1)); // of a normalised score
    expect(first!.changed.length).toBeGreaterThan(5);
    first!.changed.forEach((position, j) => {
      const drawn = laws[position]!.top.find(({ token }) => token === first!.tokens[position])!;
      expect(first!.probability[j]! / moves / drawn.probability).toBeCloseTo(1, 9);
    });
    // Positions that are asked for come in the order asked; what is written has no law.
    const open = [...first!.tokens.keys()].filter((i) => first!.tokens[i] === model.tokenizer.size);
    const some = await model.laws(first!.tokens, first!.sigma, { positions: open.toReversed(), top: 2 });
    expect(some.map(({ position }) => position)).toEqual(open.toReversed());
    expect(some.toReversed()).toEqual(await model.laws(first!.tokens, first!.sigma, { top: 2 }));
    expect(await model.laws([0, 1], 1)).toEqual([]);
  });

  test.each<[Parameters<Model["laws"]>, RegExp]>([
    [[[], 1], /^laws: 0 tokens; this model takes 1 to 192$/],
    [[new Array<number>(193).fill(0), 1], /^laws: 193 tokens/],
    [[[0, 99], 1], /^laws: token 99 is no state; states are 0 to/],
    [[[0, 1.5], 1], /^laws: token 1\.5 is no state/],
    [[[0], 0], /^laws: sigma 0 must be positive/],
    [[[0], Infinity], /^laws: sigma Infinity/],
    [[[0], 1, { top: -1 }], /^laws: top -1/],
    [[[0, 1], 1, { positions: [2] }], /^laws: there is no position 2; positions are 0 to 1$/],
    [[[0, 1], 1, { positions: [1, 1] }], /^laws: a position is asked for twice/],
    [[[0, 1], 1, { positions: [1] }], /^laws: position 1 holds a token/],
  ])("%j is refused", async (call, message) => {
    const error = await model.laws(...call).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  });
});
