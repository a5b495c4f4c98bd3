/** The likelihood bound against exact values, by quadrature (to 1e-9) and by its estimator (within its own standard error). */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { compareBounds, estimate, summariseBound } from "../../src/diffusion/bound.ts";
import { boundSamples, uniformPriorKl } from "../../src/diffusion/likelihood.ts";
import { geometric, logLinear, type Noise } from "../../src/diffusion/noise.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { denseScore, type DenseScore } from "../../src/diffusion/score.ts";
import { noiseAt } from "../../src/diffusion/strata.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";
import { random } from "../../src/platform/random.ts";
import { golden, goldenJson } from "../support/fixtures.ts";
import { type Oracle, oracle } from "../support/oracle.ts";
import { gaussLegendre } from "../support/quadrature.ts";

const file = golden("enumerable.safetensors");
const scalars = goldenJson<Record<"absorb" | "uniform", Record<string, number>> & { entropy_p0_nats: number }>("enumerable.json");
const p0 = file.float64("p0");
const truths = { absorb: oracle(absorb(3), p0, 3), uniform: oracle(uniform(3), p0, 3) };
const windows = Array.from({ length: 27 }, (_, k) => truths.absorb.clean.at(k));
const mean = (f: (k: number) => number) => p0.reduce((sum, p, k) => sum + p * f(k), 0);

/** ∫ E[Σ_i SE] dσ from σ_a to σ_b at the exact score, for each x0: what the loss's integral over t is, without its schedule. */
function exactLoss(truth: Oracle, from: number, to: number): Float64Array {
  const { graph, noisy } = truth;
  const out = new Float64Array(27);
  const [panels, power] = [6, 4]; // σ = from + (to − from) v⁴: the integrand has σ log σ at 0
  for (let panel = 0; panel < panels; panel++)
    for (const [node, weight] of gaussLegendre(16)) {
      const v = (panel + (node + 1) / 2) / panels;
      const sigma = from + (to - from) * v ** power;
      const dsigma = ((to - from) * power * v ** (power - 1) * weight) / (2 * panels);
      for (let x = 0; x < noisy.size; x++) {
        const [state, row] = [noisy.at(x), truth.logScore(sigma, x)];
        windows.forEach((x0, k) => {
          const p = truth.forward(x0, state, sigma);
          if (p > 0)
            for (let i = 0; i < 3; i++)
              out[k]! += p * dsigma * scoreEntropy(graph, row.subarray(i * graph.states, (i + 1) * graph.states), sigma, state[i]!, x0[i]!);
        });
      }
    }
  return out;
}

describe.each(["absorb", "uniform"] as const)("the loss at the exact score, %s", (kind) => {
  const noise = logLinear();
  const full = exactLoss(truths[kind], 0, noise.sigma(1));
  it("is the golden one for every x0, over t in [0, 1] and from 1e-3", () => {
    const late = exactLoss(truths[kind], noise.sigma(1e-3), noise.sigma(1));
    full.forEach((value, k) => expect(Math.abs(value - file.float64(`${kind}.loss_full`)[k]!)).toBeLessThan(1e-9));
    late.forEach((value, k) => expect(Math.abs(value - file.float64(`${kind}.loss_from_1e-3`)[k]!)).toBeLessThan(1e-9));
  });
  it("averages to H(x0 | x_T), below the entropy: without its end terms it is no bound", () => {
    expect(mean((k) => full[k]!)).toBeCloseTo(scalars[kind]["conditional_entropy_x0_given_xT"]!, 9);
    expect(mean((k) => full[k]!)).toBeLessThan(scalars.entropy_p0_nats);
  });
  if (kind === "uniform")
    it("with the prior's KL it is H(p0) + KL(p_T ‖ π)", () => {
      const kl = 3 * uniformPriorKl(3, noise.sigma(1));
      expect(kl).toBeCloseTo(scalars.uniform["prior_kl"]!, 12);
      expect(mean((k) => full[k]!) + kl).toBeCloseTo(scalars.entropy_p0_nats + scalars.uniform["kl_pT_pi"]!, 9);
    });
  else
    it("with the tail it is −log p0(x0), for every x0", () => {
      // Under absorb the tail is the same integrand from σ(1) on; at the exact score h does not depend on σ, so that holding the network changes nothing.
      const tail = exactLoss(truths.absorb, noise.sigma(1), noise.sigma(1) + 40);
      full.forEach((value, k) => expect(Math.abs(value + tail[k]! + Math.log(p0[k]!))).toBeLessThan(1e-8));
    });
});

it("noiseAt goes from the lowest to the highest noise, and its slope is its derivative", () => {
  for (const noise of [logLinear(), geometric(), geometric(0.5, 9)]) {
    const [from, to] = [noise.sigma(0), noise.sigma(1)];
    expect([noiseAt(0, from, to).sigma, noiseAt(1, from, to).sigma]).toEqual([from, expect.closeTo(to, 12)]);
    for (const v of [1e-3, 0.1, 0.5, 0.9, 0.999]) {
      const h = 1e-6 * v;
      const slope = (noiseAt(v + h, from, to).sigma - noiseAt(v - h, from, to).sigma) / (2 * h);
      // Central differences: h² of the third derivative, and rounding over h.
      expect(noiseAt(v, from, to).slope / slope).toBeCloseTo(1, 4);
    }
  }
});

describe("uniformPriorKl", () => {
  it("is the sum it stands for", () => {
    for (const V of [1, 2, 5])
      for (const sigma of [0.01, 1, 7]) {
        const column = uniform(V).transition(0, sigma);
        expect(uniformPriorKl(V, sigma)).toBeCloseTo(
          column.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p * V) : 0), 0),
          13,
        );
      }
  });
  it("keeps its digits at large σ, where it is (V−1) a²/2", () => {
    expect(uniformPriorKl(100, 20) / ((99 * Math.exp(-40)) / 2)).toBeCloseTo(1, 4);
  });
});

/** Estimate minus expectation, in standard errors of the estimate. */
async function deviation(score: DenseScore, graph: Oracle["graph"], noise: Noise, expected: number, copies = 40, texts = windows) {
  const many = Array.from({ length: copies }, () => texts).flat();
  const samples = await boundSamples(denseScore(score, graph), noise, many, { samples: 16, random: random(21), maxRows: 1024 });
  const { total, standardError, terms } = summariseBound(samples);
  return { z: (total / copies - expected) / (standardError / copies), standardError: standardError / copies, terms, copies };
}

describe("the estimator at the exact score", () => {
  const surprise = windows.reduce((sum, _, k) => sum - Math.log(p0[k]!), 0);
  // The exact score under absorb is one table divided by e^σ−1: the oracle need not be asked at every σ.
  const quick: DenseScore = (tokens, sigma) =>
    truths.absorb
      .score(tokens, new Float64Array(sigma.length).fill(1))
      .map((l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / 12)]!)));

  // Fixed seeds; 5 standard errors from 16 replicates (Student's t with 15 degrees of freedom: 1.6e-4).
  it.each([
    ["loglinear", logLinear()],
    ["geometric", geometric()],
  ] as const)("absorb, %s: Σ −log p0(x0)", async (schedule, noise) => {
    const { z, standardError, terms } = await deviation(quick, absorb(3), noise, surprise);
    expect(Math.abs(z)).toBeLessThan(5);
    expect(standardError / surprise).toBeLessThan(0.01);
    expect(Object.keys(terms).sort()).toEqual(schedule === "loglinear" ? ["integral", "tail"] : ["integral", "reconstruction", "tail"]);
  });
  it("absorb, log-linear: the tail is −ε E[log h_{x0}], term by term", async () => {
    const { terms, copies } = await deviation(quick, absorb(3), logLinear(), surprise);
    // All but a thousandth of the tail sees MASK alone: −Σ_i log p0(x_i) a window.
    const marginal = (i: number, token: number) => p0.reduce((sum, p, k) => sum + (windows[k]![i] === token ? p : 0), 0);
    const alone = windows.reduce((sum, x) => sum - x.reduce((s, token, i) => s + Math.log(marginal(i, token)), 0), 0);
    expect(terms.tail! / copies / (1e-3 * alone)).toBeCloseTo(1, 3);
  });
  it.each([
    ["loglinear", logLinear()],
    ["geometric", geometric(1e-2, 5)],
  ] as const)("uniform, %s: the exact terms, at least the entropy", async (_name, noise) => {
    const truth = truths.uniform;
    const [first, last] = [noise.sigma(0), noise.sigma(1)];
    const integral = exactLoss(truth, first, last);
    const bound = integral.map((value, k) => value + 3 * uniformPriorKl(3, last) + reconstruction(truth, k, first));
    expect(mean((k) => bound[k]!)).toBeGreaterThan(scalars.entropy_p0_nats);
    const picked = [0, 13, 22];
    const texts = picked.map((k) => windows[k]!);
    const { z } = await deviation(
      truth.score,
      uniform(3),
      noise,
      picked.reduce((sum, k) => sum + bound[k]!, 0),
      12,
      texts,
    );
    expect(Math.abs(z)).toBeLessThan(5);
  });
});

/** E[−log of the final denoise at σ] given x0, from the definition: weights [exp(−σQ) s]_y exp(σQ)(x, y). */
function reconstruction(truth: Oracle, k: number, sigma: number): number {
  if (sigma === 0) return 0;
  const { graph, noisy } = truth;
  let out = 0;
  for (let x = 0; x < noisy.size; x++) {
    const state = noisy.at(x);
    for (let i = 0; i < 3; i++) {
      const s = truth
        .logScore(sigma, x)
        .slice(i * graph.states, (i + 1) * graph.states)
        .map(Math.exp);
      s[state[i]!] = 1;
      const into = graph.transitionInto(state[i]!, sigma);
      const weights = graph.staggeredScore(s, sigma).map((value, y) => Math.max(0, value * into[y]!));
      out -= truth.forward(windows[k]!, state, sigma) * Math.log(weights[windows[k]![i]!]! / weights.reduce((a, b) => a + b));
    }
  }
  return out;
}

describe("the estimator at other scores", () => {
  /** A normalised score of our own: conditionals that no joint law has, so that the order of unmasking matters. */
  const conditional = (tokens: ArrayLike<number>, start: number, i: number): Float64Array => {
    let key = i + 1;
    for (let j = 0; j < 3; j++) key = (key * 17 + tokens[start + j]! * 5 + j) % 101;
    const raw = Float64Array.from({ length: 3 }, (_, y) => Math.exp(1.5 * Math.sin(key + 2 * y)));
    return raw.map((value) => value / raw.reduce((a, b) => a + b));
  };
  const scoreTimes =
    (factor: number): DenseScore =>
    (tokens, sigma) => {
      const out = new Float64Array(tokens.length * 4);
      for (let p = 0; p < tokens.length; p++) {
        const h = conditional(tokens, p - (p % 3), p % 3);
        for (let y = 0; y < 3; y++) out[p * 4 + y] = Math.log((factor * h[y]!) / Math.expm1(sigma[Math.floor(p / 3)]!));
      }
      return out;
    };
  const orders = [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ];
  const ordered = (x0: Int32Array, order: number[]): number => {
    const state = [3, 3, 3];
    let sum = 0;
    for (const i of order) {
      sum += Math.log(conditional(state, 0, i)[x0[i]!]!);
      state[i] = x0[i]!;
    }
    return sum;
  };
  // For a normalised score whose h knows no σ the bound is the mean over orders of −Σ log h: σ is only a clock.
  const expected = windows.reduce((sum, x0) => sum - orders.reduce((s, order) => s + ordered(x0, order), 0) / 6, 0);

  it.each([
    ["loglinear", logLinear()],
    ["geometric", geometric()],
    ["loglinear with a heavy tail", logLinear(0.3)],
  ] as const)("normalised, %s: the mean over orders of unmasking, which is at least −log p", async (_name, noise) => {
    const { z } = await deviation(scoreTimes(1), absorb(3), noise, expected);
    expect(Math.abs(z)).toBeLessThan(5);
    const law = windows.map((x0) => orders.reduce((s, order) => s + Math.exp(ordered(x0, order)) / 6, 0));
    expect(law.reduce((a, b) => a + b)).toBeCloseTo(1, 12);
    expect(expected).toBeGreaterThan(law.reduce((sum, p) => sum - Math.log(p), 0));
  });
  it("twice the score costs 1 − log 2 more at every position: Σh counts", async () => {
    const { z } = await deviation(scoreTimes(2), absorb(3), logLinear(), expected + 27 * 3 * (1 - Math.LN2));
    expect(Math.abs(z)).toBeLessThan(5);
  });
  it("the test sees a missing constant", async () => {
    const { z } = await deviation(scoreTimes(1), absorb(3), logLinear(), expected + 27 * 3 * 0.05, 120);
    expect(Math.abs(z)).toBeGreaterThan(5);
  });
  // Random text under uniform with every score too large by a factor: at high noise, where nothing is left of the text, that costs as much as anywhere.
  it("uniform, noise up to 20: what a wrong score costs is seen at every noise", async () => {
    const [factor, noise] = [Math.exp(0.3), geometric()];
    const K = (s: number, r: number): number => s - r * Math.log(s) + r * (Math.log(r) - 1);
    const costOf = (sigma: number): number => {
      const a = Math.exp(-sigma);
      const [same, moved] = [(1 + 2 * a) / 3, (1 - a) / 3];
      return (2 * same * K(factor, moved / same) + 2 * moved * (K(factor, same / moved) + K(factor, 1))) / 3;
    };
    const between = (from: number, to: number): number => {
      let sum = 0;
      for (const [node, weight] of gaussLegendre(40)) {
        const v = (1 + node) / 2;
        sum += (weight / 2) * 4 * v ** 3 * (to - from) * costOf(from + (to - from) * v ** 4);
      }
      return sum;
    };
    const [first, last] = [noise.sigma(0), noise.sigma(1)];
    const exact = between(first, last);
    expect(between(7, last)).toBeGreaterThan(0.2 * exact);
    const score: DenseScore = (tokens) => new Float64Array(tokens.length * 3).fill(0.3);
    const texts = Array.from({ length: 60 }, () => Int32Array.from({ length: 128 }, (_, i) => i % 3));
    for (const seed of [0, 1, 3, 4]) {
      const { terms, replicates } = await boundSamples(denseScore(score, uniform(3)), noise, texts, { samples: 8, random: random(seed) });
      const { total, standardError } = estimate(
        Array.from({ length: replicates }, (_, r) =>
          terms.integral!.reduce((sum, value, k) => sum + (k % replicates === r ? value : 0), 0),
        ),
      );
      const positions = 60 * 128;
      // Student's t with 7 degrees of freedom: 6.6e-4 a seed.
      expect(Math.abs(total / positions - exact)).toBeLessThan((5.5 * standardError) / positions);
      expect(standardError / total).toBeLessThan(0.05); // a fifth of what would be missed
    }
  });
  it("windows of any length, each by itself", async () => {
    const unigram = [0.5, 0.3, 0.2];
    const score: DenseScore = (tokens, sigma) =>
      Float64Array.from({ length: tokens.length * 4 }, (_, k) =>
        Math.log((unigram[k % 4] ?? 1) / Math.expm1(sigma[Math.floor(k / 4 / (tokens.length / sigma.length))]!)),
      );
    const texts = [[0, 1, 2], [2, 2, 2, 2, 2], [1], [0, 0, 0, 0, 0]].map((text) => Int32Array.from(text));
    const {
      terms,
      windows: count,
      replicates,
    } = await boundSamples(denseScore(score, absorb(3)), logLinear(), texts, { samples: 160, random: random(5), maxRows: 3 });
    texts.forEach((text, w) => {
      const exact = text.reduce((sum, token) => sum - Math.log(unigram[token]!), 0);
      const values = Array.from({ length: replicates }, (_, r) => terms.integral![w * replicates + r]! + terms.tail![w * replicates + r]!);
      const centre = values.reduce((a, b) => a + b) / replicates;
      const error = Math.sqrt(values.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (replicates - 1) / replicates);
      expect(Math.abs(centre - exact)).toBeLessThan(5 * error + 1e-12); // a repeated token is estimated without any error
    });
    expect(count).toBe(4);
  });

  const small = (options: object, score = scoreTimes(1)) =>
    boundSamples(denseScore(score, absorb(3)), logLinear(), windows, { samples: 8, random: random(2), ...options });

  it("does not depend on how windows share calls", async () => {
    const [a, b] = [await small({ maxRows: 1 }), await small({ maxRows: 100 })];
    for (const name of ["integral", "tail"] as const)
      a.terms[name]!.forEach((value, k) => expect(b.terms[name]![k]).toBeCloseTo(value, 12));
    expect(b.calls).toBeLessThan(a.calls / 10);
  });
  it("one stream of randomness gives every model the same times and corruptions", async () => {
    const seen = async (factor: number) => {
      const asked: string[] = [];
      await small({}, (tokens, sigma) => {
        asked.push(`${tokens} ${sigma}`);
        return scoreTimes(factor)(tokens, sigma);
      });
      return asked;
    };
    expect(await seen(3)).toEqual(await seen(1));
  });
  it("its standard error is what the estimate really varies by", async () => {
    const totals: number[] = [];
    let squared = 0;
    const runs = 150;
    for (let k = 0; k < runs; k++) {
      const { total, standardError } = summariseBound(await small({ random: random(100, k) }));
      totals.push(total);
      squared += standardError ** 2 / runs;
    }
    const centre = totals.reduce((a, b) => a + b) / runs;
    const variance = totals.reduce((sum, v) => sum + (v - centre) ** 2, 0) / (runs - 1);
    // 150 runs give a variance to 12 %; four of those.
    expect(variance / squared).toBeGreaterThan(0.5);
    expect(variance / squared).toBeLessThan(1.5);
  });
  it("reports progress to the end, and is heard when aborted", async () => {
    const seen: [number, number][] = [];
    await small({ onProgress: (done: number, total: number) => seen.push([done, total]), maxRows: 10 });
    expect(seen.at(-1)![0]).toBe(seen.at(-1)![1]);
    const controller = new AbortController();
    const pause = async () => controller.abort(new Error("enough"));
    await expect(small({ signal: controller.signal, pause, maxRows: 10 })).rejects.toThrow("enough");
  });
  it("a clean token of probability 0 makes the bound infinite; a score that is no number is an error", async () => {
    const never: DenseScore = (tokens, sigma) =>
      scoreTimes(1)(tokens, sigma) instanceof Float64Array
        ? (scoreTimes(1)(tokens, sigma) as Float64Array).map((l, k) => (k % 4 === 1 ? -Infinity : l))
        : expect.fail();
    const [impossible, possible] = [await small({}, never), await small({})];
    expect(summariseBound(impossible)).toMatchObject({ total: Infinity, standardError: 0 });
    expect(compareBounds(impossible, possible)).toEqual({ total: Infinity, standardError: 0 });
    expect(compareBounds(possible, impossible)).toEqual({ total: -Infinity, standardError: 0 });
    expect(() => compareBounds(impossible, impossible)).toThrow("both bounds are infinite");
    await expect(small({}, (tokens) => new Float64Array(tokens.length * 4).fill(NaN))).rejects.toThrow("is NaN");
  });
  it.each([
    ["one sample", { samples: 1 }, [[0]], "samples must be a whole number of at least 2, got 1"],
    ["no window", {}, [], "there is no text to evaluate"],
    ["an empty window", {}, [[]], "window 0 of the text is empty"],
    ["an unknown token", {}, [[0, 3]], "window 0 holds token 3; tokens are 0 to 2"],
  ])("refuses %s", async (_name, options, texts, message) => {
    const asked = texts.map((text) => Int32Array.from(text));
    const error = await boundSamples(denseScore(scoreTimes(1), absorb(3)), logLinear(), asked, { random: random(1), ...options }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toBe(message);
  });
});
