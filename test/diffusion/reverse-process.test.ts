/**
 * The bound against what it bounds: −log p for the law p of the continuous-time reverse process, computed by integrating its master equation over all states
 * (test/support/reverse-process.ts), at exact and wrong scores (trained networks: tiny-bound.test.ts); and the loss at the exact score, a difference of entropies.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { geometric, logLinear, type Noise } from "../../src/diffusion/noise.ts";
import type { DenseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { golden } from "../support/fixtures.ts";
import { type Oracle, oracle } from "../support/oracle.ts";
import { type BoundTerms, exactBound, reverseLaw, reverseProcess, totalBound } from "../support/reverse-process.ts";

const file = golden("enumerable.safetensors");
const p0 = file.float64("p0");
const truths = { absorb: oracle(absorb(3), p0, 3), uniform: oracle(uniform(3), p0, 3) };
const noises = { loglinear: logLinear(), geometric: geometric() };
const kinds = ["absorb", "uniform"] as const;
const cells = kinds.flatMap((kind) => (["loglinear", "geometric"] as const).map((schedule) => [kind, schedule] as const));

/** Fourth order: rates below 3 and this step leave (3 · 0.05)^4/100 = 5e-6; halving it changes no probability by more than 1e-6 (below). */
const STEP = 0.05;
const TOLERANCE = 1e-5;

const sum = (values: ArrayLike<number>): number => Array.from(values).reduce((a, b) => a + b, 0);
const entropy = (law: ArrayLike<number>): number => Array.from(law).reduce((h, p) => (p > 0 ? h - p * Math.log(p) : h), 0);
const mean = (values: ArrayLike<number>): number => Array.from(values).reduce((total, value, k) => total + p0[k]! * value, 0);
/** p_σ under uniform, position by position: exp(σ(Q⊕Q⊕Q)) applied as three small products. */
function uniformMarginal(sigma: number): Float64Array {
  let law = p0;
  const alive = Math.exp(-sigma);
  for (const stride of [9, 3, 1])
    law = law.map((p, k) => {
      const first = k - (Math.floor(k / stride) % 3) * stride;
      return alive * p + ((1 - alive) / 3) * (law[first]! + law[first + stride]! + law[first + 2 * stride]!);
    });
  return law;
}

/**
 * The exact score, quickly: under absorb one table for all σ (predictors.test.ts checks the oracle at five σ), and no memory of each σ that is asked.
 */
function exactScore(kind: "absorb" | "uniform"): DenseScore {
  if (kind === "uniform") {
    const { noisy } = truths.uniform;
    return (tokens, sigma) => {
      const marginal = uniformMarginal(sigma[0]!);
      return Float64Array.from({ length: tokens.length * 3 }, (_, k) => {
        const [place, y] = [Math.floor(k / 3), k % 3];
        const row = place - (place % 3);
        const x = tokens.slice(row, row + 3);
        return Math.log(marginal[noisy.index(x.with(place % 3, y))]! / marginal[noisy.index(x)]!);
      });
    };
  }
  const { score } = truths.absorb;
  return (tokens, sigma) =>
    score(tokens, new Float64Array(sigma.length).fill(1)).map(
      (l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / 12)]!)),
    );
}

/** The exact score times e^{0.6 sin …}, another factor at every state, position and target. */
const wrongScore =
  (kind: "absorb" | "uniform"): DenseScore =>
  async (tokens, sigma) => {
    const states = truths[kind].graph.states;
    return Float64Array.from(await exactScore(kind)(tokens, sigma), (l, k) => {
      const row = Math.floor(k / (3 * states)) * 3;
      return l + 0.6 * Math.sin(1.7 * (tokens[row]! + 5 * tokens[row + 1]! + 25 * tokens[row + 2]!) + (k % (3 * states)));
    });
  };

describe("the law of the reverse process", () => {
  it("at the exact score is p0 (absorb), and the golden law of a start from the limit (uniform)", async () => {
    for (const kind of kinds) {
      const law = await reverseLaw(reverseProcess(exactScore(kind), truths[kind].graph, noises.loglinear, 3), STEP);
      const expected = kind === "absorb" ? p0 : file.float64("uniform.exact_reverse");
      law.forEach((p, k) => expect(Math.abs(p - expected[k]!)).toBeLessThan(1e-6));
    }
  });
  it.each(cells)("does not change by 1e-6 when the step is halved, and sums to 1: %s, %s, a wrong score", async (kind, schedule) => {
    const process = reverseProcess(wrongScore(kind), truths[kind].graph, noises[schedule], 3);
    const [coarse, fine] = [await reverseLaw(process, STEP), await reverseLaw(process, STEP / 2)];
    coarse.forEach((p, k) => expect(Math.abs(p - fine[k]!)).toBeLessThan(1e-6));
    expect(Math.abs(sum(fine) - 1)).toBeLessThan(1e-6);
  });
});

/** H(x0 | x_σ) by enumeration. */
function conditionalEntropy({ clean, noisy, forward, marginal }: Oracle, sigma: number): number {
  const x0 = Array.from({ length: clean.size }, (_, k) => clean.at(k));
  const joint = x0.flatMap((text, k) => Array.from({ length: noisy.size }, (_, x) => p0[k]! * forward(text, noisy.at(x), sigma)));
  return entropy(joint) - entropy(marginal(sigma));
}

describe.each(cells)("the loss at the exact score, %s, %s", (kind, schedule) => {
  const truth = truths[kind];
  const noise: Noise = noises[schedule];
  let terms: BoundTerms;
  beforeAll(async () => void (terms = await exactBound(reverseProcess(exactScore(kind), truth.graph, noise, 3))));

  it("averages to H(x0 | x at σ(1)) − H(x0 | x at σ(0))", () => {
    const gained = conditionalEntropy(truth, noise.sigma(1)) - (noise.sigma(0) === 0 ? 0 : conditionalEntropy(truth, noise.sigma(0)));
    expect(mean(terms.integral)).toBeCloseTo(gained, 8);
  });
  it("with its end terms is H(p0) + KL(p_T ‖ π); under absorb, which starts all-MASK, −log p0 of every text", () => {
    const last = noise.sigma(1);
    const tokens = 3 * Math.log(3);
    const divergence = kind === "uniform" ? tokens - entropy(truth.marginal(last)) : 0;
    // From σ(0) = 1e-5 on, positions are denoised each by itself: an error of the order of σ(0)² log σ(0).
    expect(Math.abs(mean(totalBound(terms)) - entropy(p0) - divergence)).toBeLessThan(1e-8);
    if (kind === "absorb") totalBound(terms).forEach((value, k) => expect(Math.abs(value + Math.log(p0[k]!))).toBeLessThan(1e-7));
  });
  it("is not that without them: an end term left out is seen", () => {
    const without = terms.integral.map((value, k) => value + terms.reconstruction[k]!);
    if (schedule === "loglinear") expect(Math.abs(mean(without) - entropy(p0))).toBeGreaterThan(1e-6);
    if (schedule === "geometric") expect(mean(terms.reconstruction)).toBeGreaterThan(1e-6);
  });
});

describe("the bound is at least −log p", () => {
  const gapsOf = (law: Float64Array, bound: Float64Array) => bound.map((value, k) => value + Math.log(law[k]!));

  // The gaps, nats a text, with their digits: what the bound costs at a score that is off by e^{±0.6} everywhere.
  it.each([
    ["absorb", "loglinear", 0.216],
    ["absorb", "geometric", 0.216],
    ["uniform", "loglinear", 1.28],
    ["uniform", "geometric", 3.7],
  ] as const)("at a wrong score, %s, %s: for every text, on average by %d nats", async (kind, schedule, average) => {
    const process = reverseProcess(wrongScore(kind), truths[kind].graph, noises[schedule], 3);
    const gaps = gapsOf(await reverseLaw(process, STEP), totalBound(await exactBound(process)));
    expect(Math.min(...gaps)).toBeGreaterThan(-TOLERANCE);
    expect(mean(gaps) / average).toBeCloseTo(1, 2);
  });

  it("an end term left out falls below it", async () => {
    for (const kind of kinds) {
      // Much is left at σ(1): 3 of 10 tokens under absorb.
      const process = reverseProcess(exactScore(kind), truths[kind].graph, logLinear(0.3), 3);
      const [law, terms] = [await reverseLaw(process, STEP), await exactBound(process)];
      expect(Math.min(...gapsOf(law, totalBound(terms)))).toBeGreaterThan(-TOLERANCE);
      expect(mean(gapsOf(law, terms.integral))).toBeLessThan(-0.05);
    }
  });
  it("so does the cross-entropy alone where Σh is not 1", async () => {
    // Twice the exact score unmasks sooner, but writes the same law. −log h is log 2 too small at each position; Σh − 1 = 1 is what makes good for it.
    const doubled: DenseScore = async (tokens, sigma) => Float64Array.from(await exactScore("absorb")(tokens, sigma), (l) => l + Math.LN2);
    const process = reverseProcess(doubled, truths.absorb.graph, noises.loglinear, 3);
    const [law, terms] = [await reverseLaw(process, STEP), await exactBound(process)];
    gapsOf(law, totalBound(terms)).forEach((gap) => expect(gap).toBeCloseTo(3 * (1 - Math.LN2), 5));
    gapsOf(law, totalBound(terms)).forEach((gap) => expect(gap - 3).toBeLessThan(-2));
  });
});
