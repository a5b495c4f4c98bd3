/** Probability queries against enumeration: a "model" whose score is the exact one of a law over three letters. */
import { describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import type { ScoredModel } from "../../src/objectives/sedd-likelihood.ts";
import { lawOf } from "../../src/objectives/sedd-position.ts";
import { rankCandidates, scoreQuery } from "../../src/objectives/sedd-query.ts";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import { golden } from "../support/fixtures.ts";
import { oracle, space } from "../support/oracle.ts";
import { configOf } from "./support.ts";

const p0 = golden("enumerable.safetensors").float64("p0");
const letters = "abc";
const tokenizer = characterTokenizer(characterFile([...letters]));
const texts = space(3, 3);
const textAt = (k: number) => [...texts.at(k)].map((token) => letters[token]).join("");
/** Texts of four letters: the first three by p0, the last by the first. */
const four = Float64Array.from({ length: 81 }, (_, k) => p0[Math.floor(k / 3)]! * [0.6, 0.3, 0.1][(k + Math.floor(k / 27)) % 3]!);
const textAt4 = (k: number) => [...space(3, 4).at(k)].map((token) => letters[token]).join("");
/** Probability of all texts that match: letters given, "?" anything. */
const chance = (pattern: string): number => {
  const [law, at] = pattern.length === 3 ? [p0, textAt] : [four, textAt4];
  return law.reduce((sum, p, k) => sum + ([...pattern].every((c, i) => c === "?" || c === at(k)[i]) ? p : 0), 0);
};

function modelOf(graph: Graph): ScoredModel {
  const truths = new Map([
    [3, oracle(graph, p0, 3)],
    [4, oracle(graph, four, 4)],
  ]);
  const score = denseScore((tokens, sigma) => {
    const truth = truths.get(tokens.length / sigma.length)!;
    if (graph.mask === undefined) return truth.score(tokens, sigma);
    const each = truth.length * graph.states;
    return truth
      .score(tokens, new Float64Array(sigma.length).fill(1))
      .map((l, k) => l + Math.log(Math.expm1(1) / Math.expm1(sigma[Math.floor(k / each)]!)));
  }, graph);
  const unused = () => expect.fail("not asked of a score in a query");
  const sedd = configOf("normalized");
  return {
    name: "exact",
    config: { sedd, length: 3 },
    tokenizer,
    score: { ...score, all: unused, evaluateRagged: unused, takeNetworkTime: unused, dispose: unused },
    parameters: new Float64Array(1) as never,
  };
}
const model = modelOf(absorb(3));

describe("the bound on −log p(span | rest)", () => {
  // Fixed seed; 5 standard errors from 16 replicates (Student's t with 15 degrees of freedom: 1.6e-4).
  test.each([
    ["a[[bc]]", "abc", "a??"],
    ["[[a]]cb", "acb", "?cb"],
    ["[[b]]a[[c]]", "bac", "?a?"],
    ["[[cab]]", "cab", "???"],
    ["c[[b]][[1]]", "cb?", "c??"],
    ["ba[[cc]]", "bacc", "ba??"],
  ])("%s", async (template, whole, given) => {
    const { bound, text } = await scoreQuery(model, template, { samples: 2048, seed: 7 });
    const expected = Math.log(chance(given) / chance(whole));
    const judged = template.match(/(?<=\[\[)[a-c]+/g)!.join("").length;
    expect(bound!.standardError).toBeLessThan(0.05 * expected);
    expect(Math.abs(bound!.nats - expected)).toBeLessThan(5 * bound!.standardError + 1e-9);
    expect(bound).toMatchObject({ tokenCount: judged, characters: judged, natsPerToken: bound!.nats / judged });
    expect(text).toBe(whole.replace("?", "▁"));
  });
  test("the default is within its error, too, and is not that of the whole text", async () => {
    const { bound, protocol } = await scoreQuery(model, "a[[bc]]");
    expect(Math.abs(bound!.nats - Math.log(chance("a??") / chance("abc")))).toBeLessThan(6 * bound!.standardError);
    expect(protocol).toMatchObject({ conditioning: "exact", samples: 64, seed: 0, graph: "absorb" });
    // Not conditioned on a: 2,048 samples see it.
    const many = (await scoreQuery(model, "a[[bc]]", { samples: 2048 })).bound!;
    expect(Math.abs(many.nats + Math.log(chance("abc")))).toBeGreaterThan(5 * many.standardError);
  });
  test("under uniform it is the clamped process's, named so, without laws at positions", async () => {
    const { bound, protocol, positions } = await scoreQuery(modelOf(uniform(3)), "a[[bc]]", { samples: 64 });
    expect(protocol.conditioning).toBe("clamped");
    expect(positions).toEqual([]);
    expect(bound!.nats).toBeGreaterThan(0);
  });
});

describe("laws at positions", () => {
  const entropyOf = (law: readonly number[]) => law.reduce((sum, p) => sum - p * Math.log(p), 0);
  test("a judged token: −log p given all others, entropy, the likeliest, exactly", async () => {
    const { positions } = await scoreQuery(model, "a[[bc]]", { top: 3, samples: 2 });
    expect(positions.map(({ position, text }) => [position, text])).toEqual([
      [1, "b"],
      [2, "c"],
    ]);
    for (const [i, pattern] of ["a?c", "ab?"].entries()) {
      const law = [...letters].map((c) => chance(pattern.replace("?", c)) / chance(pattern));
      expect(positions[i]!.entropy).toBeCloseTo(entropyOf(law), 12);
      expect(positions[i]!.nats).toBeCloseTo(-Math.log(law[i + 1]!), 12);
      expect(positions[i]!.likelier).toBe(law.filter((p) => p > law[i + 1]!).length);
      expect(positions[i]!.top.map(({ probability }) => probability)).toEqual(
        [...law].sort((a, b) => b - a).map((p) => expect.closeTo(p, 12) as number),
      );
      expect(positions[i]!.top.map(({ text }) => text)).toEqual(
        [...letters].sort((a, b) => law[letters.indexOf(b)]! - law[letters.indexOf(a)]!),
      );
    }
  });
  test("a hole: each position given what is known, other holes unknown", async () => {
    const { positions, bound } = await scoreQuery(model, "[[1]]b[[1]]", { top: 1 });
    expect(bound).toBeUndefined();
    for (const [k, at] of [0, 2].entries()) {
      const law = [...letters].map((c) => chance([..."?b?"].map((d, i) => (i === at ? c : d)).join("")) / chance("?b?"));
      expect(positions[k]).toMatchObject({ position: at, entropy: expect.closeTo(entropyOf(law), 12) });
      expect(positions[k]!.top[0]!.probability).toBeCloseTo(Math.max(...law), 12);
      expect(positions[k]).not.toHaveProperty("nats");
    }
  });
  test("a token of probability 0 has infinite nats and takes no part in the entropy", () => {
    const law = lawOf([Math.log(0.25), -Infinity, Math.log(0.75)], 3, 1, 2, String);
    expect(law).toMatchObject({ nats: Infinity, likelier: 2 });
    expect(law.entropy).toBeCloseTo(entropyOf([0.25, 0.75]), 12);
  });
});

describe("ranking", () => {
  test("of one length: by −log p(candidate | rest), differences exact within small errors", async () => {
    const candidates = ["ab", "bc", "cc", "ca"];
    const { candidates: ranked } = await rankCandidates(model, "b[[xx]]", candidates, { samples: 1024 });
    const nats = (text: string) => Math.log(chance("b??") / chance(`b${text}`));
    expect(ranked.map(({ parts }) => parts[0])).toEqual(candidates.toSorted((a, b) => nats(a) - nats(b)));
    for (const { parts, difference, differenceError, jointNats, nats: own } of ranked) {
      expect(jointNats).toBe(own);
      expect(Math.abs(difference - (nats(parts[0]!) - nats(ranked[0]!.parts[0]!)))).toBeLessThan(5 * differenceError + 1e-9);
    }
    expect(ranked[0]).toMatchObject({ difference: 0, differenceError: 0 });
  });
  test("of several lengths: by what each makes of the whole text", async () => {
    const { candidates: ranked } = await rankCandidates(model, "a[[x]]b", ["a", "c", "ca", "ab"], { samples: 1024 });
    const nats = (text: string) => -Math.log(chance(`a${text}b`));
    expect(ranked.map(({ parts }) => parts[0])).toEqual(["a", "c", "ca", "ab"].toSorted((a, b) => nats(a) - nats(b)));
    for (const { parts, jointNats, difference, differenceError } of ranked) {
      expect(Math.abs(jointNats - nats(parts[0]!))).toBeLessThan(0.1);
      expect(Math.abs(difference - (nats(parts[0]!) - nats(ranked[0]!.parts[0]!)))).toBeLessThan(5 * differenceError + 1e-9);
    }
  });
  test("one text, shared out otherwise over two places, is as likely as itself", async () => {
    const { candidates: ranked } = await rankCandidates(
      model,
      "[[x]]b[[y]]",
      [
        ["ab", "c"],
        ["a", "bc"],
      ],
      { samples: 64 },
    );
    expect(ranked[0]!.jointNats).toBeCloseTo(ranked[1]!.jointNats, 9);
    expect(ranked.map(({ difference }) => Math.abs(difference) < 1e-9)).toEqual([true, true]);
    expect(ranked[0]!.nats).not.toBeCloseTo(ranked[1]!.nats, 3);
  });

  test("several places at once", async () => {
    const { candidates: ranked } = await rankCandidates(
      model,
      "[[x]]b[[y]]",
      [
        ["a", "c"],
        ["c", "a"],
        ["b", "b"],
      ],
      { samples: 256 },
    );
    const order = [
      ["a", "c"],
      ["c", "a"],
      ["b", "b"],
    ].toSorted((a, b) => chance(b.join("b")) - chance(a.join("b")));
    expect(ranked.map(({ parts }) => parts)).toEqual(order);
  });
});

describe("what is refused", () => {
  test.each<[string, () => Promise<unknown>, RegExp]>([
    ["nothing to judge", () => scoreQuery(model, "abc"), /nothing to judge; put it in brackets/],
    ["a range", () => scoreQuery(model, "a[[1-2]][[b]]"), /is a range; a query takes one length/],
    ["a hole under uniform", () => scoreQuery(modelOf(uniform(3)), "a[[1]]b"), /needs an absorb model/],
    ["an unknown letter", () => scoreQuery(model, "a[[z]]b"), /"z" .* is not in the alphabet/],
    ["one sample", () => scoreQuery(model, "a[[b]]c", { samples: 1 }), /samples must be a whole number of at least 2/],
    ["a seed", () => scoreQuery(model, "a[[b]]c", { seed: 0.5 }), /seed 0\.5: must be a whole number/],
    ["top", () => scoreQuery(model, "a[[b]]c", { top: -1 }), /top -1: must be a whole number/],
    ["no place", () => rankCandidates(model, "abc", ["a"]), /no place for candidates/],
    ["no candidate", () => rankCandidates(model, "a[[b]]c", []), /no candidates; give at least one/],
    [
      "a missing part",
      () => rankCandidates(model, "[[a]]b[[c]]", ["a"]),
      /candidate 1, \["a"\]: expected one text, not empty, for each of the 2 places/,
    ],
    ["too long", () => scoreQuery(model, "a[[b]]", { length: 25 }), /length 25: must be a whole number from 1 to 24/],
  ])("%s", async (_name, act, message) => {
    const error = await act().catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  });
});
