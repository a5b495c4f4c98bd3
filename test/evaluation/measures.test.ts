/** Measures of models, each against what its definition gives on models that can be summed by hand. */
import { describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { measureCloseness } from "../../src/evaluation/measures/closeness.ts";
import { measureTexts } from "../../src/evaluation/measures/generation.ts";
import { measureInfilling, middleOf } from "../../src/evaluation/measures/infilling.ts";
import { measureLikelihood } from "../../src/evaluation/measures/likelihood.ts";
import { measureMasked } from "../../src/evaluation/measures/masked.ts";
import { defaultSteps, type QualityPoint } from "../../src/evaluation/measures/quality.ts";
import { speedAt } from "../../src/evaluation/measures/speed.ts";
import { spread, type Ground } from "../../src/evaluation/measures/subject.ts";
import { meanOf, perplexityOf } from "../../src/evaluation/estimates.ts";
import type { EvaluationSettings } from "../../src/evaluation/comparison-recipe.ts";
import type { LikelihoodOptions, TextLikelihood } from "../../src/objectives/sedd-model.ts";
import { textLikelihood } from "../../src/objectives/sedd-likelihood.ts";
import { networkScore, type NetworkScore } from "../../src/objectives/sedd-score.ts";
import type { SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { configOf, parametersOf, plainConfig, textOf } from "../objectives/support.ts";
import { golden } from "../support/fixtures.ts";
import { oracle, space } from "../support/oracle.ts";

/** What a likelihood asks of a tokenizer when it is given tokens: a character each. */
const letters = { pieceBytes: () => Uint8Array.of(97), endOfText: undefined } as unknown as Tokenizer;

const modelOf = (sedd: SeddConfig, score: NetworkScore, parameters: Float32Array = new Float32Array(1)) => {
  const config = { sedd, length: 3 };
  const likelihood = async (text: string | readonly ArrayLike<number>[], options?: LikelihoodOptions) =>
    (await textLikelihood({ name: "model", config, tokenizer: letters, score, parameters }, text, options)) as TextLikelihood;
  return { model: { config, likelihood } };
};

const groundOf = (windows: readonly Int32Array[], settings: Partial<EvaluationSettings>): Pick<Ground, "settings" | "test"> => ({
  settings: settings as EvaluationSettings,
  test: { text: "", fingerprint: undefined, windows },
});

describe("infilling", () => {
  const p0 = golden("enumerable.safetensors").float64("p0");
  const texts = space(3, 3);
  const windows = [4, 11, 15, 26].map((k) => texts.at(k));
  const settings = { infilling: { windows: 4, samples: 2 } };

  /** −log p(middle | some of the others), by sums over all 27 texts. */
  const nats = (x: Int32Array, given: readonly number[]): number => {
    const agree = (positions: readonly number[]) =>
      p0.reduce((sum, p, k) => sum + (positions.every((i) => texts.at(k)[i] === x[i]) ? p : 0), 0);
    return Math.log(agree(given) / agree([...given, 1]));
  };
  const mean = (given: readonly number[]): number => windows.reduce((sum, x) => sum + nats(x, given), 0) / windows.length;

  test("of one token with exact scores, whatever the objective says it is, is the hand-computed conditional", async () => {
    const graph = absorb(3);
    // Of whole windows and of their first two tokens alike: the law of a beginning is a marginal.
    const ofLength = (length: number) =>
      oracle(graph, Float64Array.from({ length: 3 ** length }, (_, k) => {
        const begin = space(3, length).at(k);
        return p0.reduce((sum, p, j) => sum + (begin.every((token, i) => texts.at(j)[i] === token) ? p : 0), 0);
      }), length).score; // prettier-ignore
    const scores = new Map([2, 3].map((length) => [length, ofLength(length)]));
    const table = denseScore((tokens, sigma) => scores.get(tokens.length / sigma.length)!(tokens, sigma), graph) as NetworkScore;
    expect([...middleOf(3)]).toEqual([1]);
    for (const objective of ["mlm", "ardm"] as const) {
      const { bothSides, leftOnly, kind } = await measureInfilling(modelOf(plainConfig(objective, 4), table), groundOf(windows, settings));
      expect(kind).toBe("bound");
      expect(bothSides!.value).toBeCloseTo(mean([0, 2]), 10);
      expect(leftOnly.value).toBeCloseTo(mean([0]), 10);
      expect(Math.abs(mean([0, 2]) - mean([0]))).toBeGreaterThan(0.01);
    }
  });

  test("from left to right is exact, and does not depend on what follows", async () => {
    const config = plainConfig("ar", 4);
    const parameters = parametersOf(config);
    const score = networkScore(config, parameters, {});
    const of = (texts: readonly Int32Array[]) => measureInfilling(modelOf(config, score, parameters), groundOf(texts, settings));
    const measured = await of(windows);
    expect(measured).toMatchObject({ kind: "exact", leftOnly: { standardError: 0 } });
    expect(measured.bothSides).toBeUndefined();
    // Σ over both of −log p(x_0 x_1) less −log p(x_0).
    const total = async (length: number) => {
      const { natsPerToken, tokenCount } = await modelOf(config, score, parameters).model.likelihood(windows.map((window) => window.subarray(0, length))); // prettier-ignore
      return natsPerToken * tokenCount;
    };
    expect(measured.leftOnly.value).toBeCloseTo(((await total(2)) - (await total(1))) / 4, 5);
    expect((await of(windows.map((window) => window.map((token, i) => (i === 2 ? (token + 1) % 3 : token))))).leftOnly).toEqual(
      measured.leftOnly,
    );
    const { likelihood } = modelOf(config, score, parameters).model;
    await expect(likelihood("a text", { free: [Int32Array.of(0)] })).rejects.toThrow(/free positions are those of windows/);
    await score.dispose();
  });
});

describe("likelihood", () => {
  test("copies are doubled until the error is small enough, or there are enough", async () => {
    const asked: number[] = [];
    const model = {
      likelihood: async (_: unknown, { samples }: LikelihoodOptions = {}) => {
        asked.push(samples!);
        return { natsPerToken: 4, standardError: 0.16 / samples!, bitsPerCharacter: 2, tokenCount: 9, protocol: { estimator: "stratified", samples } } as unknown as TextLikelihood; // prettier-ignore
      },
    };
    const measure = async (most: number) =>
      measureLikelihood({ model }, groundOf([], { likelihood: { least: 2, most, error: 0.005 } } as Partial<EvaluationSettings>));
    expect(await measure(64)).toMatchObject({ samples: 8, kind: "bound", natsPerToken: { value: 4, standardError: 0.02 } });
    expect(asked).toEqual([2, 4, 8]);
    expect((await measure(7)).samples).toBe(4);
    expect((await measure(64)).bitsPerCharacter).toEqual({ value: 2, standardError: 0.01 });
  });
});

describe("masked prediction", () => {
  test("asks every model about the same windows, rates and seed; not one that has no masks", async () => {
    const windows = Array.from({ length: 9 }, (_, w) => textOf(4, w));
    const ground = groundOf(windows, { masked: { rates: [0.7, 0.2], windows: 4 } });
    const asked: unknown[] = [];
    const model = (sedd: SeddConfig) => ({
      config: { sedd, length: 4 },
      maskedPrediction: async (...question: unknown[]) => {
        asked.push(question);
        return [];
      },
    });
    for (const config of [configOf("normalized"), plainConfig("mlm"), plainConfig("ardm")])
      await measureMasked({ model: model(config) }, ground);
    expect(asked).toHaveLength(3);
    expect(asked[0]).toEqual([[0, 2, 4, 6].map((w) => windows[w]), { rates: [0.2, 0.7], signal: undefined }]);
    expect([asked[1], asked[2]]).toEqual([asked[0], asked[0]]);
    for (const config of [plainConfig("ar"), { ...configOf("score"), graph: "uniform" } as SeddConfig])
      expect(await measureMasked({ model: model(config) }, ground)).toBeUndefined();
    expect(asked).toHaveLength(3);
  });
});

describe("generated text", () => {
  const text = (words: string, tokens: number[], nats: number, count: number) => ({ text: words, tokens, judged: { nats, tokens: count } });

  test("numbers of four texts by hand", async () => {
    const batches = [
      { texts: [text("ab", [0, 1, 0, 1], 3, 2), text("abcd", [0, 1, 2, 3], 5, 4)] },
      { texts: [text("ba", [1, 1, 1, 1], 2, 2), text("abcx", [0, 1, 2, 2], 6, 4)] },
    ];
    const read = async function* () {
      yield* ["xa", "bcy"];
    };
    const measured = await measureTexts(batches, { read });
    expect(measured.perplexity.value).toBeCloseTo(Math.exp(16 / 12), 12);
    expect(measured.bitsPerCharacter.value).toBeCloseTo(16 / Math.LN2 / 12, 12);
    const quarters = Math.log(4);
    expect(measured.unigramEntropy.value).toBeCloseTo((Math.log(2) + quarters + 0 + (quarters / 2 + Math.log(2) / 2)) / 4, 12);
    expect(measured.distinct.map(({ n, share }) => [n, share.value])).toEqual([
      [1, (4 / 8 + 3 / 8) / 2],
      [2, (4 / 6 + 4 / 6) / 2],
      [3, (4 / 4 + 3 / 4) / 2],
    ]);
    expect(measured.longestCopy).toEqual({ characters: 3, text: "abc" });
    expect(measured.texts).toBe(4);
  });

  test("the error of a perplexity is the spread that many such sets of texts have", () => {
    const draw = random(5);
    const sets = Array.from({ length: 2000 }, () =>
      Array.from({ length: 24 }, () => {
        const tokens = 20 + draw.integer(30);
        return { tokens, nats: tokens * (2 + 0.3 * draw.normal()) };
      }),
    );
    const estimates = sets.map(perplexityOf);
    const { value, standardError } = meanOf(estimates.map(({ value }) => value));
    const told = Math.sqrt(meanOf(estimates.map(({ standardError }) => standardError ** 2)).value);
    expect(value).toBeCloseTo(Math.exp(2), 0);
    expect(told / (standardError * Math.sqrt(2000))).toBeGreaterThan(0.93);
    expect(told / (standardError * Math.sqrt(2000))).toBeLessThan(1.07);
  });
});

describe("closeness", () => {
  const cloud = (seed: number, shift: number, count = 80): Float32Array[] => {
    const draw = random(seed);
    return Array.from({ length: count }, () => Float32Array.from({ length: 4 }, (_, i) => draw.normal() + (i === 0 ? shift : 0)));
  };

  test("of sets of one law is higher than of two laws; its error is a single score's, whatever the repetitions", () => {
    const [same, other] = [cloud(2, 2), cloud(3, -2)];
    const human = cloud(1, 2);
    const of = (generated: Float32Array[], repetitions = 20) => measureCloseness(human, generated, { repetitions, clusters: 4 });
    expect(of(same)).toMatchObject({ clusters: 4, texts: 80 });
    expect(of(same).value - of(other).value).toBeGreaterThan(5 * Math.hypot(of(same).standardError, of(other).standardError));
    expect(of(same, 80).standardError / of(same, 20).standardError).toBeGreaterThan(0.6);
    expect(of(same)).toEqual(of(same));
  });
});

describe("speed", () => {
  const e = (value: number, standardError = 0) => ({ value, standardError });
  const point = (steps: number, perplexity: number): QualityPoint => ({
    ...{ steps, texts: 8, unigramEntropy: e(4), machine: "a machine" },
    ...{ perplexity: e(perplexity, perplexity / 100), seconds: e(steps / 10, steps / 1000) },
  });
  const ar = point(64, 50);

  test("is that of the steps at which the perplexity is the other's, with the error of both", () => {
    // Straight in logarithms from (4, 100) to (16, 25): 50 lies at 8 steps, 0.8 seconds.
    const { tokensPerSecond, steps, perplexity } = speedAt([point(4, 100), point(16, 25)], ar, 64)!;
    expect(steps).toBe(8);
    expect(perplexity).toEqual(ar.perplexity);
    expect(tokensPerSecond.value).toBeCloseTo(80, 9);
    // The slope is −1: seconds move with either perplexity's 1 %, and have 1 % of their own.
    expect(tokensPerSecond.standardError).toBeCloseTo(80 * Math.sqrt(3e-4), 2);
  });

  test("of ar is its own; a perplexity that is not reached has none", () => {
    expect(speedAt([ar], ar, 64)!.tokensPerSecond.value).toBeCloseTo(10, 9);
    expect(speedAt([point(4, 100), point(16, 54)], ar, 64)).toBeUndefined();
  });
});

test("steps go from 4 to 4 × the length, and few of many are evenly spread", () => {
  expect(defaultSteps(16)).toEqual([4, 8, 16, 32, 64]);
  expect(defaultSteps(24)).toEqual([4, 8, 16, 32, 64, 96]);
  expect(spread([0, 1, 2, 3, 4, 5], 3)).toEqual([0, 2, 4]);
  expect(spread([0, 1], 3)).toEqual([0, 1]);
});
