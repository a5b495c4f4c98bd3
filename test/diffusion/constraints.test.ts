/** Constraints: what they come to, that every result keeps them, and draws in every sampler against the propagated constrained law. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { type Constraint, restrict } from "../../src/diffusion/constraints.ts";
import { gibbsLaw } from "../../src/diffusion/corrector.ts";
import { sampleFrom } from "../../src/diffusion/sample-from.ts";
import { samplerNames } from "../../src/diffusion/sampler.ts";
import { predictors } from "../../src/diffusion/schedule.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { UserError } from "../../src/platform/errors.ts";
import { expectWrongRejected, noises, truths } from "../support/law-cells.ts";
import { startLaw } from "../support/oracle.ts";
import { drawnCounts } from "../support/propagation.ts";
import { totalVariation } from "../support/statistics.ts";
import { constrained, corrected, positionLaw, rejects, runLaw, tableScore } from "../support/step-laws.ts";

const holes = (...given: number[]) => Int32Array.from(given);
const tokensOf = (graph: Parameters<typeof restrict>[0], given: Int32Array, constraints: Constraint[]) =>
  restrict(graph, given, constraints).allowed.map((own) => own && [...own.tokens]);

describe("what constraints come to", () => {
  it("those on one hole hold together; allowed, forbidden, everywhere and at positions", () => {
    const constraints = [{ allow: [4, 1, 2, 3] }, { positions: [2], forbid: [2] }, { positions: [0], allow: [0, 1, 2] }];
    for (const graph of [absorb(5), uniform(5)])
      expect(tokensOf(graph, holes(-1, 0, -1, -1), constraints)).toEqual([[1, 2], undefined, [1, 3, 4], [1, 2, 3, 4]]);
  });
  it("one allowed token is given", () => {
    const { given, allowed } = restrict(absorb(5), holes(-1, -1), [{ positions: [1], allow: [3] }]);
    expect([[...given], allowed]).toEqual([
      [-1, 3],
      [undefined, undefined],
    ]);
  });
  it.each<[Constraint, RegExp]>([
    [{}, /^constraint 1: says neither allow nor forbid/],
    [{ allow: [] }, /^no token is allowed at position 0: constraint 1 leaves none/],
    [{ forbid: [0, 1, 2, 3, 4] }, /^no token is allowed at position 0/],
    [{ allow: [5] }, /^constraint 1: there is no token 5; tokens are 0 to 4/],
    [{ forbid: [-1] }, /^constraint 1: there is no token -1/],
    [{ positions: [1], allow: [1] }, /^constraint 1: position 1 is given; constraints are for holes/],
    [{ positions: [3], allow: [1] }, /^constraint 1: there is no position 3; positions are 0 to 2/],
  ])("%j is refused", (constraint, message) => {
    const attempt = () => restrict(absorb(5), holes(-1, 2, -1), [constraint]);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
  });
  it("two that exclude each other are named", () => {
    expect(() => restrict(uniform(5), holes(-1), [{ allow: [1, 2] }, { allow: [3] }])).toThrow(
      "no token is allowed at position 0: constraint 1 and constraint 2 together leave none",
    );
  });
});

it("whatever the score, sampler and corrector, every result keeps its constraints", async () => {
  const tokens = fc.uniqueArray(fc.nat(5), { minLength: 1, maxLength: 5 });
  const constraint = fc.record({ position: fc.nat(3), allow: tokens });
  await fc.assert(
    fc.asyncProperty(fc.array(constraint, { maxLength: 3 }), tokens, fc.nat(), async (wanted, forbid, seed) => {
      const constraints = [...wanted.map(({ position, allow }) => ({ positions: [position], allow })), { positions: [3], forbid }];
      for (const graph of [absorb(6), uniform(6)]) {
        const possible = [0, 1, 2, 3].map((i) =>
          [0, 1, 2, 3, 4, 5].filter((y) =>
            constraints.every((c) => !c.positions.includes(i) || ("allow" in c ? c.allow.includes(y) : !c.forbid.includes(y))),
          ),
        );
        if (possible.some((own) => own.length === 0)) continue;
        for (const sampler of samplerNames) {
          if (/first-hitting|left-to-right/.test(sampler) && graph.kind === "uniform") continue;
          const score = (noisy: Int32Array) =>
            Float64Array.from({ length: noisy.length * graph.states }, (_, k) => 3 * Math.sin(k * 1.3 + noisy[0]!));
          const options = { graph, noise: noises.loglinear, sampler, length: 4, steps: 3, seed, count: 2, constraints, corrector: {} };
          for (const sequence of await sampleFrom(score, options)) sequence.forEach((token, i) => expect(possible[i]).toContain(token));
        }
      }
    }),
    { seed: 2, numRuns: 60 },
  );
});

describe.each(["absorb", "uniform"] as const)("draws follow the propagated constrained law, %s", (kind) => {
  const truth = truths[kind];
  const { graph, noisy } = truth;
  const allowed = [[0, 1], undefined, [1, 2]];
  const constraints = [
    { positions: [0], forbid: [2] },
    { positions: [2], allow: [2, 1] },
  ];
  const change = constrained((i) => allowed[i], graph.mask);
  /** Uniform begins evenly on what is allowed. */
  const start =
    graph.mask === undefined
      ? even(noisy.size, (k) => noisy.at(k).every((x, i) => allowed[i]?.includes(x) ?? true))
      : startLaw(graph, noisy);

  it.each([
    ["analytic", "loglinear", 1],
    ["analytic", "geometric", 4],
    ["euler", "geometric", 3],
    ["euler", "loglinear", 8],
  ] as const)("%s, %s, K = %d", async (sampler, schedule, steps) => {
    const run = { predictor: predictors[sampler], noise: noises[schedule], steps };
    const counts = await drawnCounts(truth, { noise: run.noise, sampler, steps, constraints, count: 100_000 }, tableScore(truth));
    const right = runLaw(truth, { ...run, start, change });
    expect(rejects(counts, right)).toBe(false);
    expectWrongRejected(truth, counts, { ...run, start, change });
    // Wrong, if not where all is decided at once: without constraints, and what breaks them thrown away.
    const kept = runLaw(truth, run).map((p, k) => (truth.clean.at(k).every((x, i) => allowed[i]?.includes(x) ?? true) ? p : 0));
    const total = kept.reduce((a, b) => a + b);
    const late = kept.map((p) => p / total);
    if (totalVariation(late, right) > 0.02) expect(rejects(counts, late)).toBe(true);
  });

  it("with a corrector, which keeps them too", async () => {
    const run = {
      ...{ predictor: predictors.analytic, noise: noises.loglinear, steps: 3, start, change },
      corrector: (law: Float64Array, sigma: number) =>
        corrected(truth, law, sigma, [0, 1, 2], 2, (state, i) =>
          change(positionLaw(truth, gibbsLaw(graph), sigma, state, i), noisy.at(state)[i]!, i),
        ),
    };
    const options = { noise: run.noise, sampler: "analytic", steps: 3, constraints, corrector: { positions: 2 }, count: 100_000 } as const;
    expect(rejects(await drawnCounts(truth, options, tableScore(truth)), runLaw(truth, run))).toBe(false);
  });
});

const even = (size: number, inside: (k: number) => boolean): Float64Array => {
  const out = Float64Array.from({ length: size }, (_, k) => Number(inside(k)));
  const total = out.reduce((a, b) => a + b);
  return out.map((p) => p / total);
};

it("one constrained hole that is alone is the exact conditional under absorb", async () => {
  const truth = truths.absorb;
  const given = holes(1, -1, 2);
  const law = Float64Array.from({ length: 27 }, (_, k) => {
    const x = truth.clean.at(k);
    return x[0] === 1 && x[2] === 2 && x[1] !== 0 ? truth.p0[k]! : 0;
  });
  const total = law.reduce((a, b) => a + b);
  const options = { noise: noises.loglinear, sampler: "analytic", steps: 4, given, constraints: [{ forbid: [0] }], count: 50_000 } as const;
  expect(rejects(await drawnCounts(truth, options, tableScore(truth)), law.map((p) => p / total))).toBe(false); // prettier-ignore
});

it("one allowed token conditions the others under absorb, as a prompt does", async () => {
  const truth = truths.absorb;
  const options = { noise: noises.geometric, sampler: "euler", steps: 3, count: 500 } as const;
  const constrainedCounts = await drawnCounts(truth, { ...options, constraints: [{ positions: [1], allow: [2] }] }, tableScore(truth));
  expect(constrainedCounts).toEqual(await drawnCounts(truth, { ...options, given: holes(-1, 2, -1) }, tableScore(truth)));
});
