/** Accuracy and cross-entropy of masked tokens: the definition, and the same positions whoever is asked. */
import { describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { denseScore, type ScoreModel } from "../../src/diffusion/score.ts";
import { maskedPrediction } from "../../src/objectives/masked-prediction.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import type { SeddConfig } from "../../src/objectives/sedd.ts";
import { UserError } from "../../src/platform/errors.ts";
import { configOf, MASK, parametersOf, plainConfig, textOf } from "./support.ts";

const LENGTH = 10;
const windows = Array.from({ length: 6 }, (_, w) => textOf(LENGTH, w + 1));
const rates = [0.05, 0.3, 1];
const config = plainConfig("mlm");
const modelOf = (sedd: SeddConfig) => ({ sedd, length: LENGTH });

/** A model that notes what it is asked, and the masked positions of each call. */
function noting(score: ScoreModel): { score: ScoreModel; asked: { tokens: Int32Array; sigma: Float64Array; positions: Int32Array }[] } {
  const asked: { tokens: Int32Array; sigma: Float64Array; positions: Int32Array }[] = [];
  return {
    asked,
    score: {
      graph: score.graph,
      evaluate(tokens, sigma, positions) {
        asked.push({ tokens: tokens.slice(), sigma: sigma.slice(), positions: positions.slice() });
        return score.evaluate(tokens, sigma, positions);
      },
    },
  };
}

describe("masked prediction", () => {
  test("a network's numbers are the means of its own log-probabilities; an mlm and a sedd model get the same questions", async () => {
    const questions: object[] = [];
    for (const own of [config, configOf("score"), configOf("normalized")]) {
      const network = networkScore(own, parametersOf(own), {});
      const { score, asked } = noting(network);
      const results = await maskedPrediction({ score, config: modelOf(own) }, windows, { rates });
      questions.push(asked.map(({ tokens, positions }) => ({ tokens, positions })));
      expect(results.map(({ rate, masked, positions }) => [rate, masked, positions])).toEqual([[0.05, 0.1, 6], [0.3, 0.3, 18], [1, 1, 60]]); // prettier-ignore
      for (const [k, { tokens, sigma, positions }] of asked.entries()) {
        const all = await network.all(tokens, sigma);
        let [right, nats] = [0, 0];
        for (const at of positions) {
          expect(tokens[at]).toBe(MASK);
          const row = Float64Array.from(all.subarray(at * (MASK + 1), at * (MASK + 1) + MASK), Math.exp);
          const clean = windows[Math.floor(at / LENGTH)]![at % LENGTH]!;
          right += Number(row.indexOf(Math.max(...row)) === clean);
          nats -= Math.log(row[clean]! / row.reduce((a, b) => a + b));
        }
        expect(results[k]!.accuracy).toBeCloseTo(right / positions.length, 12);
        expect(results[k]!.crossEntropy).toBeCloseTo(nats / positions.length, 5);
        expect(results[k]!.standardError).toBeGreaterThan(0);
      }
      await network.dispose();
    }
    expect(questions[1]).toEqual(questions[0]);
    expect(questions[2]).toEqual(questions[0]);
  });

  test("positions depend on the seed, and those of a lower rate are among those of a higher one", async () => {
    const flat = denseScore((tokens) => new Float64Array(tokens.length * (MASK + 1)), absorb(MASK));
    const masked = async (seed: number) => {
      const { score, asked } = noting(flat);
      const [low] = await maskedPrediction({ score, config: modelOf(config) }, windows, { rates, seed });
      expect(low!.crossEntropy).toBeCloseTo(Math.log(MASK), 12);
      return asked.map(({ positions }) => [...positions]);
    };
    const [one, two] = [await masked(1), await masked(2)];
    expect(one).toEqual(await masked(1));
    expect(one[1]).not.toEqual(two[1]);
    expect(one[1]).toEqual(expect.arrayContaining(one[0]!));
  });

  test.each([
    [{ rates: [0] }, windows, config, "masking rate 0: must be above 0 and at most 1"],
    [{ rates }, windows.slice(0, 1), config, "at least two windows, of one length"],
    [{ rates }, [textOf(3), textOf(4)], config, "at least two windows, of one length"],
    [{ rates }, windows, plainConfig("ar"), 'got objective "ar"'],
    [{ rates }, [textOf(3), Int32Array.of(0, MASK, 1)], config, `window 1 holds token ${MASK}; tokens are 0 to ${MASK - 1}`],
    [{ rates, seed: 1.5 }, windows, config, "seed 1.5: must be a whole number"],
    [{ rates }, [textOf(81), textOf(81)], config, "windows of 81 tokens: this model reads at most 80 at once"],
  ])("%j is refused", async (options, texts, own, message) => {
    const score = denseScore((tokens) => new Float64Array(tokens.length * (MASK + 1)), absorb(MASK));
    const error: unknown = await maskedPrediction({ score, config: modelOf(own) }, texts, options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });
});
