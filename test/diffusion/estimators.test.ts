/** The estimators of −log p against enumeration: exact-k, unmasking in any and in a fixed order, given and hidden positions, differences and their errors. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import {
  type BoundOptions,
  type BoundSamples,
  compareBounds,
  estimate,
  replicateTotals,
  summariseBound,
} from "../../src/diffusion/bound.ts";
import { exactKSamples } from "../../src/diffusion/exact-k.ts";
import { boundSamples } from "../../src/diffusion/likelihood.ts";
import { geometric, logLinear, type Noise } from "../../src/diffusion/noise.ts";
import { denseScore, type DenseScore, type ScoreModel } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { unmaskingSamples } from "../../src/diffusion/unmasking.ts";
import { UserError } from "../../src/platform/errors.ts";
import { random } from "../../src/platform/random.ts";
import { golden } from "../support/fixtures.ts";
import { oracle } from "../support/oracle.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const truth = oracle(absorb(3), p0, 3);
const windows = Array.from({ length: 27 }, (_, k) => truth.clean.at(k));
const surprise = p0.map((p) => -Math.log(p));
const sum = (values: ArrayLike<number>) => Array.from(values).reduce((a, b) => a + b, 0);

/** The exact absorb score of a law over three tokens: one table divided by e^σ − 1. */
function exactScore(law: Float64Array): ScoreModel {
  const { score } = oracle(absorb(3), law, 3);
  const dense: DenseScore = (tokens, sigma) =>
    score(tokens, new Float64Array(sigma.length).fill(1)).map(
      (l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / 12)]!)),
    );
  return denseScore(dense, absorb(3));
}
const exact = exactScore(p0);
/** A law that is not p0, but near it. */
const nearby = p0.map((p) => p ** 0.85).map((p, _, all) => p / sum(all));
const other = exactScore(nearby);
/** Positive scores of no law at all, with Σh ≠ 1 and a dependence on σ, as a network's. */
const wild = denseScore((tokens, sigma) => {
  const out = new Float64Array(tokens.length * 4);
  for (let p = 0; p < tokens.length; p++) {
    const [r, i] = [Math.floor(p / 3), p % 3];
    let key = i + 1;
    for (let j = 0; j < 3; j++) key = (key * 17 + tokens[r * 3 + j]! * 5 + j) % 101;
    for (let y = 0; y < 3; y++)
      out[p * 4 + y] = Math.sin(key + 2 * y) - 1 + 0.3 * Math.exp(-sigma[r]!) * Math.cos(key * y) - Math.log(Math.expm1(sigma[r]!));
  }
  return out;
}, absorb(3));

type Estimator = (score: ScoreModel, noise: Noise, texts: readonly Int32Array[], options: BoundOptions) => Promise<BoundSamples>;
const anyOrder: Estimator = (score, noise, texts, options) => unmaskingSamples(score, noise, texts, { ...options, order: "random" });
const estimators = [
  ["stratified", boundSamples],
  ["exact-k", exactKSamples],
  ["any-order", anyOrder],
] as const;

/** Estimate minus expectation, in standard errors; below 1e-12 of the value the error is rounding's. */
const deviation = (samples: BoundSamples, expected: number): number => {
  const { total, standardError } = summariseBound(samples);
  return (total - expected) / (standardError + 1e-12 * total);
};
const copies = (times: number, texts: readonly Int32Array[] = windows) => Array.from({ length: times }, () => texts).flat();
const options = { samples: 16, random: random(3), maxRows: 4096 };

// Fixed seeds; 5 standard errors from 16 replicates (Student's t with 15 degrees of freedom: 1.6e-4).
describe.each(estimators)("%s at the exact score", (_name, estimator) => {
  it.each([
    ["loglinear", logLinear()],
    ["geometric", geometric()],
    ["a heavy tail", logLinear(0.3)],
    // An order drawn to the end knows of no reconstruction at once.
    ...(estimator === anyOrder ? [] : [["much reconstruction", geometric(0.3, 9)] as const]),
  ] as const)("is Σ −log p0(x0), and not that of another law: %s", async (schedule, noise) => {
    const run = (score: ScoreModel) => estimator(score, noise, copies(20), { ...options, random: random(3) });
    // Reconstruction draws the positions that are left at once, as if they were independent: it costs something more than −log p0.
    const expected =
      20 * (sum(surprise) + (schedule === "much reconstruction" ? sum(windows.map((x0) => atOnce(x0, -Math.expm1(-0.3)))) : 0));
    expect(Math.abs(deviation(await run(exact), expected))).toBeLessThan(5);
    expect(Math.abs(deviation(await run(other), expected))).toBeGreaterThan(5);
  });

  it("is −log p0(free | given), with what is given clean in every question", async () => {
    for (const free of [[0, 2], [1], [2, 1]]) {
      const frees = windows.map(() => Int32Array.from(free));
      const conditional = windows.map((x0, k) => surprise[k]! + Math.log(sum(p0.filter((_, j) => agree(windows[j]!, x0, free)))));
      const samples = await estimator(exact, logLinear(), copies(10), { ...options, random: random(4), free: copies(10, frees) });
      const { total, standardError } = summariseBound(samples);
      expect(Math.abs(deviation(samples, 10 * sum(conditional)))).toBeLessThan(5);
      expect(standardError / total).toBeLessThan(0.02); // and far less for a single free position
    }
  });

  it("with hidden positions it is −log of the marginal of the others", async () => {
    const free = Int32Array.of(0, 2);
    const marginal = windows.map((x0) => -Math.log(sum(p0.filter((_, j) => agree(windows[j]!, x0, [1])))));
    const texts = copies(10);
    const samples = await estimator(exact, logLinear(), texts, {
      ...options,
      random: random(5),
      free: texts.map(() => free),
      hidden: texts.map(() => Int32Array.of(1)),
    });
    expect(Math.abs(deviation(samples, 10 * sum(marginal)))).toBeLessThan(5);
  });
});

it.each([
  ["a heavy tail", logLinear(0.3)],
  ["much reconstruction", geometric(0.3, 1.2)],
] as const)("exact-k and stratified agree term by term: %s", async (_, noise) => {
  const texts = copies(20);
  const parts = async (estimator: Estimator, seed: number) => {
    const { terms, replicates } = await estimator(wild, noise, texts, { ...options, random: random(seed) });
    return Object.fromEntries(
      Object.entries(terms).map(([name, values]) => {
        const single = { windows: texts.length, replicates, samples: 16, terms: { integral: values }, calls: 0, rows: 0 };
        return [name, summariseBound(single)];
      }),
    );
  };
  const [a, b] = [await parts(boundSamples, 6), await parts(exactKSamples, 7)];
  expect(Object.keys(a).sort()).toEqual(Object.keys(b).sort());
  for (const [name, { total, standardError }] of Object.entries(a)) {
    const error = Math.hypot(standardError, b[name]!.standardError);
    expect(Math.abs(total - b[name]!.total), name).toBeLessThan(5 * error);
    expect(error / total, name).toBeLessThan(0.05);
  }
});

/** Whether two texts agree outside the free positions. */
const agree = (a: Int32Array, b: Int32Array, free: readonly number[]) => a.every((token, i) => free.includes(i) || token === b[i]);

/** What revealing everything that is masked at level m at once costs above revealing it in turn, at the exact score: E[Σ −log p(x_i | rest)] − E[−log p(masked | rest)]. */
function atOnce(x0: Int32Array, m: number): number {
  let cost = 0;
  for (let set = 0; set < 8; set++) {
    const masked = [0, 1, 2].filter((i) => set & (1 << i));
    const weight = m ** masked.length * (1 - m) ** (3 - masked.length);
    const rest = sum(p0.filter((_, j) => agree(windows[j]!, x0, masked)));
    const alone = masked.map((i) => {
      const keep = masked.filter((other) => other !== i);
      return -Math.log(sum(p0.filter((_, j) => agree(windows[j]!, x0, keep))) / rest);
    });
    cost += weight * (sum(alone) + Math.log(p0[truth.clean.index(x0)]! / rest));
  }
  return cost;
}

describe("the three on a score that is no law's", () => {
  const many = copies(120);
  const run = (estimator: Estimator, seed: number) => estimator(wild, logLinear(), many, { ...options, random: random(seed) });
  it("agree: integral, exact-k, and unmasking with its excess", async () => {
    const [integral, exactK] = [summariseBound(await run(boundSamples, 1)), summariseBound(await run(exactKSamples, 2))];
    const ordered = (await run(anyOrder, 3)) as Awaited<ReturnType<typeof unmaskingSamples>>;
    const unmasking = summariseBound(ordered);
    const both = summariseBound({ ...ordered, terms: { ...ordered.terms, integral: ordered.excess } });
    for (const [a, b] of [
      [integral, exactK],
      [integral, both],
      [exactK, both],
    ] as const)
      expect(Math.abs(a.total - b.total)).toBeLessThan(5 * Math.hypot(a.standardError, b.standardError));
    // Σh is about 1.2 to 3 here: the excess is far outside the errors, and the test would see it missing.
    expect((both.total - unmasking.total) / both.standardError).toBeGreaterThan(50);
  });

  it.each(estimators)("%s: its standard error is what the estimate really varies by", async (_name, estimator) => {
    const totals: number[] = [];
    let squared = 0;
    const runs = 150;
    for (let k = 0; k < runs; k++) {
      const { total, standardError } = summariseBound(await estimator(wild, logLinear(), windows, { samples: 8, random: random(100, k) }));
      totals.push(total);
      squared += standardError ** 2 / runs;
    }
    const centre = sum(totals) / runs;
    const variance = sum(totals.map((v) => (v - centre) ** 2)) / (runs - 1);
    // 150 runs give a variance to 12 %; four of those.
    expect(variance / squared).toBeGreaterThan(0.5);
    expect(variance / squared).toBeLessThan(1.5);
  });
});

describe("a fixed order", () => {
  const orders = { "left-to-right": "left-to-right", "2, 0, 1": () => [2, 0, 1] } as const;
  it.each(Object.entries(orders))("%s is −log p0 at the exact score, without error", async (_name, order) => {
    const samples = await unmaskingSamples(exact, logLinear(), windows, { random: random(1), order, maxRows: 7 });
    expect(samples.replicates).toBe(1);
    samples.terms.unmasking!.forEach((value, k) => expect(value).toBeCloseTo(surprise[k]!, 10));
    expect(summariseBound(samples).standardError).toBe(0);
    samples.excess.forEach((value) => expect(Math.abs(value)).toBeLessThan(1e-12));
  });
  it("is the likelihood of a sampler: over all texts e^−nats is 1, for any score and order", async () => {
    for (const order of Object.values(orders)) {
      const { terms } = await unmaskingSamples(wild, logLinear(), windows, { random: random(1), order });
      expect(sum(terms.unmasking!.map((nats) => Math.exp(-nats)))).toBeCloseTo(1, 12);
    }
  });
  it("tokens in another order have another likelihood, of a law that also sums to 1", async () => {
    const [a, b] = await Promise.all(
      Object.values(orders).map((order) => unmaskingSamples(wild, logLinear(), windows, { random: random(1), order })),
    );
    expect(Math.abs(a!.terms.unmasking![5]! - b!.terms.unmasking![5]!)).toBeGreaterThan(0.01);
  });
});

describe("uniform, clamped", () => {
  it("is H + KL of the law that the clamped score is exact for, on average over its texts", async () => {
    // Given x1 = 2: the law of (x0, x2), and its exact score, which knows that x1 is clean.
    const law = Float64Array.from({ length: 9 }, (_, k) => p0[truth.clean.index([Math.floor(k / 3), 2, k % 3])]!).map(
      (p, _, all) => p / sum(all),
    );
    const noise = logLinear();
    const texts = Array.from({ length: 9 }, (_, k) => Int32Array.of(Math.floor(k / 3), 2, k % 3));
    const end = oracle(uniform(3), law, 2).marginal(noise.sigma(1));
    const expected = sum(law.map((p) => -p * Math.log(p))) + sum(end.map((p) => p * Math.log(p * 9)));
    const run = async (ofLaw: Float64Array) => {
      const pair = oracle(uniform(3), ofLaw, 2);
      const score: DenseScore = (tokens, sigma) => {
        const out = new Float64Array(tokens.length * 3);
        const rows = pair.score(
          Int32Array.from({ length: sigma.length * 2 }, (_, k) => tokens[Math.floor(k / 2) * 3 + (k % 2) * 2]!),
          sigma,
        );
        for (let r = 0; r < sigma.length; r++) {
          expect(tokens[r * 3 + 1]).toBe(2); // what is given is never noisy
          for (const [i, at] of [0, 2].entries()) out.set(rows.subarray((r * 2 + i) * 3, (r * 2 + i + 1) * 3), (r * 3 + at) * 3);
        }
        return out;
      };
      const free = texts.map(() => Int32Array.of(0, 2));
      const samples = await boundSamples(denseScore(score, uniform(3)), noise, texts, {
        samples: 640,
        random: random(6),
        free,
        maxRows: 4096,
      });
      const mean = new Float64Array(samples.replicates);
      law.forEach((p, k) => replicateTotals(samples, k).forEach((value, r) => (mean[r]! += p * value)));
      return estimate(mean);
    };
    const { total, standardError } = await run(law);
    expect(Math.abs(total - expected)).toBeLessThan(5 * standardError);
    const wrong = await run(law.map((p) => 1 / p).map((p, _, all) => p / sum(all)));
    expect(wrong.total - expected).toBeGreaterThan(5 * Math.max(standardError, wrong.standardError));
  });
});

describe("comparing", () => {
  const seeded = (score: ScoreModel, seed = 9, more: Partial<BoundOptions> = {}) =>
    boundSamples(score, logLinear(), copies(4), { samples: 16, random: random(seed), maxRows: 4096, ...more });
  it("two scores under one noise: the exact difference, with an error far below either's own", async () => {
    const [a, b] = [await seeded(exact), await seeded(other)];
    const expected = 4 * sum(nearby.map((p, k) => Math.log(p / p0[k]!)));
    const { total, standardError } = compareBounds(a, b);
    expect(Math.abs(total - expected)).toBeLessThan(5 * standardError);
    expect(standardError).toBeLessThan(0.5 * summariseBound(a).standardError);
    // Under two noises the errors add.
    expect(compareBounds(a, await seeded(other, 10)).standardError).toBeGreaterThan(3 * standardError);
  });
  it("paired windows see the same times and the same masked places", async () => {
    const seen = new Set<string>();
    const spy = denseScore((tokens, sigma) => {
      for (let r = 0; r < sigma.length; r++) seen.add(`${sigma[r]} ${[0, 1, 2].map((i) => tokens[r * 3 + i] === 3).join()}`);
      return new Float64Array(tokens.length * 4);
    }, absorb(3));
    const { samples } = await boundSamples(spy, logLinear(), windows, { samples: 8, random: random(1), paired: true });
    expect(seen.size).toBeLessThanOrEqual(samples + 2); // and the tail, and everything masked
  });
  it("replicates that do not match are refused", async () => {
    const [a, b] = [await seeded(exact), await seeded(exact, 9, { samples: 8 })];
    expect(() => compareBounds({ ...a, replicates: 3 }, b)).toThrow(UserError);
  });
});

describe("a call of the network", () => {
  it("buys the default estimator more than four times what it buys independent uniform times", async () => {
    // The plain estimate: t uniform, tokens masked at σ(t), Σ X over the masked ones times σ'(t)/(e^σ−1). Text: 64 tokens of 64 kinds in two topics, of which
    // neighbours usually share one; scores in closed form. Words of a real text, too, cost several nats each whatever stands around them.
    const n = 64;
    const { score, conditional, surprise, mask } = topicChain(n, 0.9, 32);
    const draw = random(8);
    const text = Int32Array.from({ length: n }, (_, i) => (i % 20 < 13 ? 0 : 32) + draw.integer(32));
    const plain: number[] = [];
    for (let k = 0; k < 4000; k++) {
      const m = draw.uniform() * (1 - 1e-3);
      const x = text.map((token) => (draw.uniform() < m ? mask : token));
      const masked = x.reduce((total, state, i) => total - (state === mask ? Math.log(conditional(x, i, text[i]!)) : 0), 0);
      plain.push((masked / m) * (1 - 1e-3));
    }
    const spread = (values: readonly number[]) => {
      const centre = sum(values) / values.length;
      return { centre, variance: sum(values.map((v) => (v - centre) ** 2)) / (values.length - 1) };
    };
    let rows = 0;
    const counted: ScoreModel = { ...score, evaluate: (tokens, sigma, at) => ((rows += sigma.length), score.evaluate(tokens, sigma, at)) };
    const totals: number[] = [];
    const runs = 100;
    for (let k = 0; k < runs; k++)
      totals.push(summariseBound(await boundSamples(counted, logLinear(), [text], { samples: 64, random: random(200, k) })).total);
    const { centre, variance } = spread(totals);
    expect(Math.abs(centre - surprise(text))).toBeLessThan(5 * Math.sqrt(variance / runs));
    // A quarter of the variance a row is half the standard error.
    expect(spread(plain).variance / (variance * (rows / runs))).toBeGreaterThan(4);
  });
});

/** The exact score of texts whose topic is a two-state chain that stays with probability `stay`, each token drawn evenly from `words` of its topic. */
function topicChain(n: number, stay: number, words: number) {
  const mask = 2 * words;
  const topic = (token: number) => Math.floor(token / words);
  const step = (distance: number) => (1 + (2 * stay - 1) ** distance) / 2;
  const conditional = (x: ArrayLike<number>, i: number, token: number): number => {
    let [l, r] = [i - 1, i + 1];
    while (l >= 0 && x[l] === mask) l--;
    while (r < n && x[r] === mask) r++;
    const beside = (j: number, inside: boolean, y: number) =>
      !inside ? 1 : topic(x[j]!) === y ? step(Math.abs(i - j)) : 1 - step(Math.abs(i - j));
    const weight = (y: number) => beside(l, l >= 0, y) * beside(r, r < n, y);
    return weight(topic(token)) / (weight(0) + weight(1)) / words;
  };
  const dense: DenseScore = (tokens, sigma) => {
    const out = new Float64Array(tokens.length * (mask + 1));
    for (let p = 0; p < tokens.length; p++) {
      const r = Math.floor(p / n);
      const x = tokens.subarray(r * n, (r + 1) * n);
      if (tokens[p] !== mask) continue;
      const logs = [0, words].map((token) => Math.log(conditional(x, p % n, token) / Math.expm1(sigma[r]!)));
      for (let y = 0; y < mask; y++) out[p * (mask + 1) + y] = logs[topic(y)]!;
    }
    return out;
  };
  const surprise = (x: Int32Array) =>
    x.reduce((s, token, i) => s - Math.log((i === 0 ? 0.5 : topic(token) === topic(x[i - 1]!) ? stay : 1 - stay) / words), 0);
  return { mask, conditional, surprise, score: denseScore(dense, absorb(mask)) };
}

describe("what is refused", () => {
  it.each([
    [
      "exact-k under uniform",
      () => exactKSamples({ ...exact, graph: uniform(3) }, logLinear(), windows, options),
      /needs the absorb graph, got uniform/,
    ],
    [
      "unmasking under uniform",
      () => anyOrder({ ...exact, graph: uniform(3) }, logLinear(), windows, options),
      /needs the absorb graph, got uniform/,
    ],
    [
      "a single random order, which has no error to show",
      () => unmaskingSamples(exact, logLinear(), windows, { ...options, samples: 1, order: "random" }),
      /samples must be a whole number of at least 2, got 1/,
    ],
    [
      "no order",
      () => unmaskingSamples(exact, logLinear(), windows, { ...options, order: () => [0, 0, 1] }),
      /window 0 is no order of its 3 positions/,
    ],
    [
      "nothing to judge",
      () => boundSamples(exact, logLinear(), [windows[0]!], { ...options, free: [new Int32Array(0)] }),
      /has no position to judge/,
    ],
    [
      "a position that is not there",
      () => exactKSamples(exact, logLinear(), [windows[0]!], { ...options, free: [Int32Array.of(0, 3)] }),
      /^position 3 of window 0 cannot be judged; give positions from 0 to 2, each once$/,
    ],
    [
      "a position twice, which would count twice",
      () => boundSamples(exact, logLinear(), [windows[0]!], { ...options, free: [Int32Array.of(1, 1)] }),
      /^position 1 of window 0 is to be judged twice; give positions from 0 to 2, each once$/,
    ],
    [
      "positions to judge of more windows than there are",
      () => exactKSamples(exact, logLinear(), [windows[0]!], { ...options, free: [Int32Array.of(0), Int32Array.of(0)] }),
      /^positions to judge are given for 2 windows; there are 1$/,
    ],
    [
      "one sample",
      () => exactKSamples(exact, logLinear(), windows, { ...options, samples: 1 }),
      /samples must be a whole number of at least 2/,
    ],
  ] as const)("%s", async (_name, act, message) => {
    const error = await act().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  });
});
