/** How long a hole is: the search, and the judgement of the given text against enumeration over texts of several lengths. */
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { aroundSpans, chooseLengths, givenNats } from "../../src/diffusion/hole-lengths.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { layoutTemplate, parseTemplate } from "../../src/diffusion/template.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { oracle, type Oracle, space } from "../support/oracle.ts";

describe("the search", () => {
  const search = async (ranges: { min: number; max: number }[], cost: (lengths: readonly number[]) => number, room?: number) => {
    const seen: string[] = [];
    const judge = async (combinations: readonly (readonly number[])[]) => {
      seen.push(...combinations.map(String));
      return combinations.map(cost);
    };
    const { lengths, judged } = await chooseLengths(ranges, judge, room);
    return { lengths, judged, seen };
  };
  it("judges every combination of a few ranges", async () => {
    const { lengths, judged, seen } = await search(
      [
        { min: 2, max: 5 },
        { min: 1, max: 3 },
      ],
      ([a, b]) => Math.abs(a! * b! - 8),
    );
    expect(lengths).toEqual([4, 2]);
    expect(judged).toBe(12);
    expect(new Set(seen).size).toBe(12);
  });
  it("goes from coarse to fine in a wide range, ends included", async () => {
    for (const best of [1, 37, 64, 99, 100]) {
      const { lengths, judged } = await search([{ min: 1, max: 100 }], ([a]) => (a! - best) ** 2);
      expect(lengths).toEqual([best]);
      expect(judged).toBeLessThan(40);
    }
  });
  it("settles many ranges one after another", async () => {
    const { lengths } = await search(
      [1, 2, 3].map(() => ({ min: 1, max: 20 })),
      ([a, b, c]) => (a! - 4) ** 2 + (b! - 17) ** 2 + (c! - 11) ** 2,
    );
    expect(lengths).toEqual([4, 17, 11]);
  });
  it.each([
    [2, 5],
    [3, 3],
    [3, 20],
    [5, 9],
  ])("looks at what there is room for alone: %d ranges of up to %d", async (count, max) => {
    const ranges = Array.from({ length: count }, () => ({ min: 1, max }));
    for (let room = count; room <= count * max; room++) {
      // The longer the better, the first range's most.
      const { lengths, seen } = await search(ranges, (lengths) => lengths.reduce((sum, n, k) => sum - n * (k === 0 ? 2 : 1), 0), room);
      const first = Math.min(max, room - count + 1);
      expect(lengths.every((n) => n >= 1 && n <= max)).toBe(true);
      expect(lengths.reduce((a, b) => a + b)).toBeLessThanOrEqual(room);
      for (const combination of seen) expect(combination.split(",").reduce((sum, n) => sum + Number(n), 0)).toBeLessThanOrEqual(room);
      if (max ** count <= 32) expect([lengths[0], lengths.reduce((a, b) => a + b)]).toEqual([first, room]);
    }
  });
  it("prefers the shorter of equals, and asks nothing about a single length", async () => {
    expect((await search([{ min: 3, max: 9 }], () => 1)).lengths).toEqual([3]);
    expect(await search([{ min: 5, max: 5 }], () => 1)).toEqual({ lengths: [5], judged: 0, seen: [] });
  });
});

/** Texts of 3, 4 and 5 tokens out of 2 kinds, each length with a law of its own. */
const lawOf = (length: number): Float64Array => {
  const raw = Float64Array.from({ length: 2 ** length }, (_, k) => Math.exp(1.2 * Math.sin(3 * k + length * length)));
  const total = raw.reduce((a, b) => a + b);
  return raw.map((p) => p / total);
};
const lengths = [3, 4, 5];
function scoreOf(graph: Graph) {
  const truths = new Map<number, Oracle>(lengths.map((length) => [length, oracle(graph, lawOf(length), length)]));
  return denseScore((tokens, sigma) => {
    const truth = truths.get(tokens.length / sigma.length)!;
    if (graph.mask === undefined) return truth.score(tokens, sigma);
    const { states } = graph;
    const each = truth.length * states;
    return truth
      .score(tokens, new Float64Array(sigma.length).fill(1))
      .map((l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / each)]!)));
  }, graph);
}
const layouts = (template: string, holes: readonly number[]) =>
  holes.map((n) =>
    layoutTemplate(parseTemplate(template.replace("?", String(n))), (text) => Int32Array.from(text, Number), { length: 5, limit: 5 }),
  );
/** −log of the probability that a text of this length has the given tokens in their places. */
const exact = (given: Int32Array): number => {
  const texts = space(2, given.length);
  const law = lawOf(given.length);
  return -Math.log(law.reduce((sum, p, k) => sum + (given.every((token, i) => token === -1 || token === texts.at(k)[i]) ? p : 0), 0));
};

describe("the judgement", () => {
  const score = scoreOf(absorb(2));
  it("is −log p of what is given with the hole unknown, for an exact score", async () => {
    for (const template of ["0[[?]]1", "[[?]]11", "01[[?]]"]) {
      const candidates = layouts(template, [1, 2, 3]);
      const runs = await Promise.all(
        Array.from({ length: 24 }, (_, seed) =>
          givenNats(score, logLinear(), candidates, [template.indexOf("[") > 0 ? 1 : 0], { seed, samples: 64 }),
        ),
      );
      for (const [k, { given }] of candidates.entries()) {
        const values = runs.map((run) => run[k]!);
        const mean = values.reduce((a, b) => a + b) / values.length;
        const error = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (values.length - 1) / values.length);
        // 5 standard errors from 24 runs (Student's t with 23 degrees of freedom: 5e-5).
        expect(Math.abs(mean - exact(given))).toBeLessThan(5 * error + 1e-9);
        expect(error).toBeLessThan(0.02);
      }
    }
  });
  it("chooses the length with the highest probability, which is not always the shortest", async () => {
    const holes = [1, 2, 3];
    let [differs, seen] = [0, 0];
    for (const template of ["0[[?]]1", "1[[?]]1", "0[[?]]0", "1[[?]]0", "[[?]]11", "01[[?]]"]) {
      const candidates = layouts(template, holes);
      const truth = candidates.map(({ given }) => exact(given));
      const order = [...truth].sort((a, b) => a - b);
      if (order[1]! - order[0]! < 0.1) continue; // too close for a few samples
      seen++;
      const nats = await givenNats(score, logLinear(), candidates, [template.startsWith("[") ? 0 : 1], { seed: 3, samples: 256 });
      expect(nats.indexOf(Math.min(...nats))).toBe(truth.indexOf(order[0]!));
      if (truth.indexOf(order[0]!) !== 0) differs++;
    }
    expect(seen).toBeGreaterThan(3);
    expect(differs).toBeGreaterThan(0);
  });
  it("is the same number whatever is judged beside it, and changes with the seed alone", async () => {
    const all = layouts("0[[?]]1", [1, 2, 3]);
    const together = await givenNats(score, logLinear(), all, [1], { seed: 5 });
    for (const [k, layout] of all.entries()) {
      const alone = await givenNats(score, logLinear(), [layout], [1], { seed: 5 });
      expect(alone[0]).toBeCloseTo(together[k]!, 10);
    }
    expect((await givenNats(score, logLinear(), all, [1], { seed: 6 }))[0]).not.toBe(together[0]);
  });
  it("with nothing given there is nothing to judge", async () => {
    expect([...(await givenNats(score, logLinear(), layouts("[[?]]", [3, 4]), [0], { seed: 1 }))]).toEqual([0, 0]);
  });
  it("under uniform, prefers the length whose fillings go with what is given, where the truth is clear", async () => {
    // The rule is no bound on the truth here: it need only agree where that is far from even.
    let seen = 0;
    const score = scoreOf(uniform(2));
    for (const template of ["0[[?]]1", "1[[?]]1", "0[[?]]0", "1[[?]]0", "[[?]]11", "01[[?]]"]) {
      const candidates = layouts(template, [1, 2, 3]);
      const truth = candidates.map(({ given }) => exact(given));
      const [least, most] = [Math.min(...truth), Math.max(...truth)];
      if (most - least < 0.7) continue;
      seen++;
      const nats = await givenNats(score, logLinear(), candidates, [template.startsWith("[") ? 0 : 1], { seed: 2, samples: 512 });
      expect(nats[truth.indexOf(least)]).toBeLessThan(nats[truth.indexOf(most)]!);
    }
    expect(seen).toBeGreaterThan(1);
  });
});

it("around a span are the 16 nearest given tokens on either side", () => {
  const encode = (text: string) => Int32Array.from(text, (c) => c.charCodeAt(0) % 100);
  const layout = layoutTemplate(parseTemplate("a".repeat(20) + "[[3]]" + "b".repeat(4) + "[[2]]" + "c".repeat(30)), encode, {
    length: 1,
    limit: 100,
  });
  const positions = [...aroundSpans(layout, [1])];
  expect(positions).toEqual(
    [...Array(16).keys()]
      .map((i) => i + 4)
      .concat(
        [...Array(4).keys()].map((i) => i + 23),
        [...Array(12).keys()].map((i) => i + 29),
      ),
  );
});
