/**
 * Improbable tokens are drawn as often as they should be. The sampler's own draw is given chosen uniform numbers instead of random ones, and those that flip
 * its choice are bisected: the numbers that lead to an outcome of probability 1e-9 fill an interval of that length. In float32 there is no such interval.
 */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { analyticLaw } from "../../src/diffusion/analytic.ts";
import { eulerLaw } from "../../src/diffusion/euler.ts";
import { eventLaw } from "../../src/diffusion/firsthitting.ts";
import { drawTarget, mayLeave, normalised, probabilities, type Law } from "../../src/diffusion/law.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { random, type Random } from "../../src/platform/random.ts";

const V = 50_257;
const MASK = V;
const rare = 1e-9;

/** A generator whose next uniform number is the given one. */
const fixed = (u: number): Random => ({ uniform: () => u, integer: () => 0, normal: () => 0, state: () => [] });

/** The smallest number in [0, 1] from which on `holds`, which is false before, to the last bit. */
function flip(holds: (u: number) => boolean): number {
  let [low, high] = [0, 1];
  for (let k = 0; k < 60; k++) {
    const middle = (low + high) / 2;
    if (holds(middle)) high = middle;
    else low = middle;
  }
  return high;
}

/** Log-weights over the tokens, uneven by e^6, in which `token` has the share `rare` of all that are not `own`. */
function rowWith(token: number, states: number, own: number): Float64Array {
  const draw = random(3);
  const row = Float64Array.from({ length: states }, () => 6 * draw.uniform());
  let others = 0;
  row.forEach((l, y) => (others += y === token || y === own ? 0 : Math.exp(l)));
  row[token] = Math.log((rare / (1 - rare)) * others);
  return row;
}

describe("the numbers that lead to a token of probability 1e-9, of 50,257, fill 1e-9 of [0, 1)", () => {
  const law = eventLaw(absorb(V));
  it.each([0, 1, 25_000, V - 1])("token %d", (token) => {
    const row = rowWith(token, V + 1, MASK);
    const drawn = (u: number) => drawTarget(law, MASK, row, 0, 0, 0, fixed(u)).state;
    // The inverse distribution function rises: the numbers of one token are an interval.
    const [begin, end] = [flip((u) => drawn(u) >= token), flip((u) => drawn(u) > token)];
    expect(drawn((begin + end) / 2)).toBe(token);
    expect(Math.abs((end - begin) / rare - 1)).toBeLessThan(0.01);
  });

  it("a draw by float32 sums has no such interval: the test rejects it", () => {
    const token = 25_000;
    const row = rowWith(token, V + 1, MASK);
    const sums = new Float32Array(V);
    row.subarray(0, V).forEach((l, y) => (sums[y] = (sums[y - 1] ?? 0) + Math.exp(l)));
    const drawn = (u: number) => sums.findIndex((sum) => u * sums[V - 1]! < sum);
    const [begin, end] = [flip((u) => drawn(u) >= token), flip((u) => drawn(u) > token)];
    expect(Math.abs((end - begin) / rare - 1)).toBeGreaterThan(0.5);
  });
});

describe("whether a position moves", () => {
  const graph = absorb(V);
  const law = analyticLaw(graph, 0.01);
  it("leaves with probability 1e-9 where the scores say so", () => {
    const sum = rare / law.gain; // gain · Σ to leave, 1 − gain · Σ to stay
    const end = flip((u) => !mayLeave(law, u, sum));
    expect(Math.abs(end / rare - 1)).toBeLessThan(0.01);
  });
  it("stays with probability 1e-9 where the scores say so", () => {
    const sum = (1 - rare) / law.gain;
    const end = flip((u) => !mayLeave(law, u, sum));
    // 1 − Σ·gain is a difference of two numbers near 1: its last bit is 1e-16, a ten-millionth of what is left.
    expect(Math.abs((1 - end) / rare - 1)).toBeLessThan(0.01);
  });
  it("and where to: both numbers together give the law's own probability, uniform graph, token by token", () => {
    const states = 7;
    const x = 2;
    const even = analyticLaw(uniform(states), 0.7);
    for (const token of [0, 3, 6]) {
      const row = rowWith(token, states, x);
      // The drain takes a little from every token: what this one needs so that 1e-9 is left, by bisection on the law itself.
      let [low, high] = [-30, 10];
      for (let k = 0; k < 200; k++) {
        row[token] = (low + high) / 2;
        if (normalised(probabilities(even, x, row))[token]! > rare) high = row[token];
        else low = row[token];
      }
      let sum = 0;
      row.forEach((l, y) => (sum += y === x ? 0 : Math.exp(l)));
      const outcome = (u: number, aim: number) => {
        if (!mayLeave(even, u, sum)) return x;
        return drawTarget(even, x, row, 0, u, sum, fixed(aim)).state;
      };
      const leaves = flip((u) => outcome(u, 0.5) === x);
      const begin = flip((aim) => outcome(0, aim) >= token);
      const end = flip((aim) => outcome(0, aim) > token);
      // A difference of numbers near 1 whose last bits are 1e-16, a ten-millionth of 1e-9.
      expect(normalised(probabilities(even, x, row))[token]! / rare).toBeCloseTo(1, 5);
      expect(Math.abs((leaves * (end - begin)) / rare - 1)).toBeLessThan(0.01);
    }
  });
});

describe("a probability of 1e-6, simulated", () => {
  const graph = absorb(3);
  const draws = 6e7;
  const expected = draws * 1e-6;
  /** How often token 1 comes out of a MASK that leaves with probability 1e-3 and then becomes it with probability `share`. */
  const simulated = (law: Law, share: number): number => {
    const stream = random(17);
    const sum = 1e-3 / law.gain;
    const row = Float64Array.of(Math.log(1 - share), Math.log(share), -Infinity, 0).map((l) => l + Math.log(sum));
    let seen = 0;
    for (let k = 0; k < draws; k++) {
      const u = stream.uniform();
      if (mayLeave(law, u, sum) && drawTarget(law, 3, row, 0, u, sum, stream).state === 1) seen++;
    }
    return seen;
  };
  const law = analyticLaw(graph, 0.2);
  // Poisson: a deviation of √60; five of them, with a fixed seed.
  const limit = 5 * Math.sqrt(expected);
  it("comes 60 times in 6e7 draws, within its error", () => {
    expect(Math.abs(simulated(law, 1e-3) - expected)).toBeLessThan(limit);
  });
  it("a share twice as large does not: the test rejects it", () => {
    expect(Math.abs(simulated(law, 2e-3) - expected)).toBeGreaterThan(limit);
  });
  it("and what moves once in ten thousand draws goes to all of 1,000 tokens alike: 1e-7 each, none is out of reach", () => {
    const [stream, words, trials] = [random(9), 1000, 4e6];
    const step = eulerLaw(absorb(words), 1);
    const row = new Float64Array(words + 1).fill(Math.log(1e-4 / words));
    const seen: number[] = [];
    for (let k = 0; k < trials; k++) {
      const u = stream.uniform();
      if (mayLeave(step, u, 1e-4)) seen.push(drawTarget(step, words, row, 0, u, 1e-4, stream).state);
    }
    // Poisson with mean 400; a mean of 400 draws from 0 … 999 (deviation 289 each); five standard deviations.
    expect(Math.abs(seen.length - 400)).toBeLessThan(100);
    expect(Math.abs(seen.reduce((sum, token) => sum + token, 0) / seen.length - 499.5)).toBeLessThan((5 * 289) / Math.sqrt(300));
  });
  it("in a race of float32 exponentials the same 1e-6, spread over a thousand tokens, never wins", () => {
    // argmax p/E, E = −log(1 − u), u a multiple of 2^−24 (0 is left out: it would win against anything). Each token has p = 1e-9; staying has 1 − 1e-6.
    const smallest = -Math.log1p(-(2 ** -24));
    const largest = -Math.log(2 ** -24);
    expect(1e-9 / smallest).toBeLessThan((1 - 1e-6) / largest);
    expect(expected).toBeGreaterThan(limit); // so that none at all is rejected
  });
});
