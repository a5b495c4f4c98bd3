/** Templates with ranges, settled and filled: what is given comes back unchanged, lengths lie within their ranges and depend on the seed alone. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { run, samplerNames } from "../../src/diffusion/sampler.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { parseTemplate } from "../../src/diffusion/template.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { layoutSettled } from "../../src/objectives/sedd-lengths.ts";
import { load, type Model } from "../../src/model.ts";
import { UserError } from "../../src/platform/errors.ts";
import { quoteTemplate } from "../support/quote.ts";

const V = 6;
const characters = (text: string) => Int32Array.from(text, (c) => c.codePointAt(0)! % V);

type Piece = { text: string } | { min: number; max: number } | { rest: true };
const text = fc
  .oneof(
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 5 }),
    fc.constantFrom("[[", "]]", "[[3]]", "[[2-3]]", "👩‍👩‍👧", "e\u0301", "\u0000", " \n", "▁", "\\[["),
  )
  // A text that ends in a backslash or bracket would change the brackets that follow it.
  .map((value) => ({ text: value.replace(/[\\[]$/, "$&.") }));
const hole = fc.oneof(
  fc.integer({ min: 1, max: 4 }).map((min) => ({ min, max: min })),
  fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 2 })).map(([min, more]) => ({ min, max: min + more })),
  fc.constant({ rest: true as const }),
);
const pieces = fc
  .array(fc.oneof(text, hole), { minLength: 1, maxLength: 6 })
  // Neighbouring texts are one span; two ranges at most keep a thousand runs short.
  .map((all) => all.filter((piece, i) => !("text" in piece && all[i - 1] && "text" in all[i - 1]!)))
  .filter((all) => all.filter((piece) => "min" in piece && piece.min < piece.max).length <= 2);
const write = (piece: Piece) =>
  "text" in piece
    ? quoteTemplate(piece.text)
    : "rest" in piece
      ? "[[ ]]"
      : piece.min === piece.max
        ? `[[${piece.min}]]`
        : `[[${piece.min}-${piece.max}]]`;

describe("what is given comes back unchanged", () => {
  it("in 1,000 random templates with texts, holes and ranges, from layout to the last step", async () => {
    const graphs = [absorb(V), uniform(V)];
    let ranges = 0;
    await fc.assert(
      fc.asyncProperty(pieces, fc.nat(), fc.integer({ min: 0, max: 30 }), async (all, seed, way) => {
        const graph = graphs[way === 0 ? 1 : 0]!; // settling under uniform samples as well: a thirtieth of the runs
        const sampler = way === 0 ? "analytic" : samplerNames[way % samplerNames.length]!;
        const score = denseScore(
          (tokens) => Float64Array.from({ length: tokens.length * graph.states }, (_, k) => Math.sin(k + seed)),
          graph,
        );
        const noise = logLinear();
        const options = { length: 40, limit: 80, seed };
        const layout = await layoutSettled(score, noise, parseTemplate(all.map(write).join("")), characters, options);
        const asked = all.filter((piece) => "min" in piece && piece.min < piece.max) as { min: number; max: number }[];
        ranges += asked.length;
        expect(layout.lengths ?? []).toHaveLength(asked.length);
        asked.forEach(({ min, max }, k) => {
          expect(layout.lengths![k]).toBeGreaterThanOrEqual(min);
          expect(layout.lengths![k]).toBeLessThanOrEqual(max);
        });
        let tokens: Int32Array = new Int32Array(0);
        for await (const frame of run(score, { noise, sampler, length: layout.given.length, given: layout.given, steps: 2, seed }))
          tokens = frame.tokens;
        expect(layout.spans).toHaveLength(all.length);
        let at = 0;
        layout.spans.forEach(({ begin, end, text }, k) => {
          const piece = all[k]!;
          expect(begin).toBe(at);
          at = end;
          if ("text" in piece) {
            expect(text).toBe(piece.text);
            expect(tokens.subarray(begin, end)).toEqual(characters(piece.text));
          } else if ("min" in piece) {
            expect(end - begin).toBeGreaterThanOrEqual(piece.min);
            expect(end - begin).toBeLessThanOrEqual(piece.max);
          }
        });
        expect(tokens).toHaveLength(at);
        expect(tokens.every((token) => token >= 0 && token < V)).toBe(true);
      }),
      { seed: 4, numRuns: 1000 },
    );
    expect(ranges).toBeGreaterThan(300);
  });
});

describe("a range ends where the room does", () => {
  const graph = absorb(V);
  const score = denseScore((tokens) => Float64Array.from({ length: tokens.length * graph.states }, (_, k) => Math.sin(k)), graph);
  const settled = (template: string, limit: number, length = limit) =>
    layoutSettled(score, logLinear(), parseTemplate(template), characters, { length, limit, seed: 1 });

  test("the only length that fits is taken; several ranges share the room", async () => {
    expect((await settled("123456789[[1-2]]", 10)).lengths).toEqual([1]);
    expect((await settled("123456[[1-9]][[2]]", 10)).lengths![0]).toBeLessThanOrEqual(2);
    expect((await settled("12345678[[1-9]][[ ]]", 20, 10)).lengths).toEqual([1]); // one is left to the open hole
    for (let limit = 9; limit <= 24; limit++) {
      const { lengths, given } = await settled("12[[1-8]]34[[1-8]]56[[1-8]]", limit);
      expect(lengths).toHaveLength(3);
      expect(given.length).toBe(6 + lengths!.reduce((a, b) => a + b));
      expect(given.length).toBeLessThanOrEqual(limit);
    }
  });

  test.each([
    [
      "1234567890[[1-2]]",
      10,
      10,
      "the hole [[1-2]] at character 11 of the template: with each range at its shortest the template needs 11 tokens, and there is room for 10",
    ],
    [
      "123456789[[1-2]][[ ]]",
      20,
      10,
      "the hole [[1-2]] at character 10 of the template: with each range at its shortest the template needs 11 tokens, and there is room for 10",
    ],
  ])("where not even the shortest fits, the range is named: %s", async (template, limit, length, message) => {
    const error = await settled(template, limit, length).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toBe(`${message}; give less text or shorter holes`);
  });
});

describe("on the shipped model", () => {
  let model: Model;
  beforeAll(async () => {
    model = await load("fairytales", { threads: 1 });
  });
  afterAll(() => model.dispose());
  const template = "Once upon a [[1-4]] there was a king 🦊 who had [[2-3]] daughters.";

  test("lengths are returned, within their ranges; the given text stands; one seed, one result, for every count", async () => {
    const [first, second] = await model.infill(template, { steps: 4, seed: 5, count: 2 });
    expect(first!.lengths).toEqual(second!.lengths);
    const [a, b] = first!.lengths as [number, number];
    expect(a >= 1 && a <= 4 && b >= 2 && b <= 3).toBe(true);
    for (const { text, tokens } of [first!, second!]) {
      expect(text).toMatch(/^Once upon a [^]* there was a king 🦊 who had [^]* daughters\.$/u);
      const given = ["Once upon a ", " there was a king 🦊 who had ", " daughters."].map((piece) => [...model.tokenizer.encode(piece)]);
      expect(tokens).toHaveLength(given.flat().length + a + b);
      expect(tokens.slice(0, given[0]!.length)).toEqual(given[0]);
      expect(tokens.slice(given[0]!.length + a, given[0]!.length + a + given[1]!.length)).toEqual(given[1]);
    }
    const [again] = await model.infill(template, { steps: 4, seed: 5 });
    expect(again).toMatchObject({ text: first!.text, lengths: first!.lengths! });
    expect((await model.infill("a [[2]]", { steps: 1, seed: 1 }))[0]).not.toHaveProperty("lengths");
  });

  test("of a range at the end of a text that fills all but a token, the length is 1", async () => {
    const [sample] = await model.infill([{ given: Array.from({ length: 2047 }, (_, i) => i) }, { tokens: { min: 1, max: 2 } }], {
      steps: 1,
      seed: 1,
    });
    expect([sample!.tokens.length, sample!.lengths]).toEqual([2048, [1]]);
  });

  test("a range that cannot fit is the user's mistake", async () => {
    const error = await model.infill("a [[8-5000]]", { seed: 1 }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(/\[\[8-5000\]\].*more than the 2048 tokens there is room for/);
  });
});
