/** A model's verbs on a tiny random network: prompts, templates, seeds, cancellation, and what is refused. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplerNames } from "../../src/diffusion/sampler.ts";
import { load, readModel, type Model } from "../../src/model.ts";
import { seddModel, type SampleFrame } from "../../src/objectives/sedd-model.ts";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { fixturePath } from "../support/fixtures.ts";
import { quoteTemplate } from "../support/quote.ts";
import { saveTextModel } from "./text-model.ts";

const folder = mkdtempSync(join(tmpdir(), "sedd-test-"));
const LENGTH = 24;
let model: Model;
let tokenizer: Tokenizer;

beforeAll(async () => {
  const text = "Once upon a time there was a king and a queen, and the king had a golden fox. ".repeat(3);
  tokenizer = await saveTextModel(folder, text, { kind: "bpe", size: 280, length: LENGTH });
  model = await load(folder, { threads: 1 });
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true });
});

const tokensOf = (samples: readonly { tokens: number[] }[]): number[][] => samples.map(({ tokens }) => tokens);

async function expectUserError(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await promise.then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toMatch(/\n/);
}

describe("what is given comes back unchanged", () => {
  /** Text that a template can hold before a hole: one that ends in a backslash would quote the hole. */
  const given = fc
    .oneof(
      fc.string({ unit: "grapheme", minLength: 1, maxLength: 6 }),
      fc.constantFrom("[[", "]]", "[[ ]]", "[[3]]", "[", "👩‍👩‍👧‍👦", "e\u0301", "\u0000", " \n\t", "▁", "\\[[", "<|endoftext|>"),
    )
    .filter((text) => !text.endsWith("\\"));
  const piece = fc.oneof(
    given.map((text) => ({ text, size: 0 })),
    fc.integer({ min: 1, max: 5 }).map((size) => ({ text: "", size })),
  );

  test("random templates: every span in its place, to the token and to the letter", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 6 }), fc.nat(), async (pieces, seed) => {
        const template = pieces.map(({ text, size }) => (size > 0 ? `[[${size}]]` : quoteTemplate(text))).join("");
        const [sample] = await model.infill(template, { seed, steps: 2 });
        // Neighbouring texts are one span, encoded together; neighbouring holes are decoded together, as a character may be spread over them.
        const spans: { text: string; size: number }[] = [];
        for (const { text, size } of pieces) {
          const last = spans.at(-1);
          if (last && size === 0 && last.size === 0) last.text += text;
          else if (last && size > 0 && last.size > 0) last.size += size;
          else spans.push({ text, size });
        }
        let place = 0;
        let whole = "";
        for (const { text, size } of spans) {
          const ids = size > 0 ? sample!.tokens.slice(place, place + size) : [...tokenizer.encode(text)];
          expect(sample!.tokens.slice(place, place + ids.length)).toEqual(ids);
          whole += size > 0 ? tokenizer.decode(ids) : text;
          place += ids.length;
        }
        expect(sample!.tokens).toHaveLength(place);
        expect(sample!.text).toBe(whole);
        expect(sample!.tokens.every((token) => token >= 0 && token < tokenizer.size)).toBe(true);
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  test.each([...samplerNames])("a prompt is a literal beginning, brackets and all (%s)", async (sampler) => {
    for (const prompt of ["Once upon", "🦊 [[4]] \\[[ ", "[[", "é"]) {
      const [sample] = await model.sample({ prompt, length: 40, steps: 3, sampler, seed: 5 });
      expect(sample!.text.startsWith(prompt)).toBe(true);
      expect(sample!.tokens.slice(0, tokenizer.encode(prompt).length)).toEqual([...tokenizer.encode(prompt)]);
      expect(sample!.tokens).toHaveLength(40);
    }
  });

  test("[[ ]] shares what is left of the length; a template without holes is itself", async () => {
    const [sample] = await model.infill("[[ ]] king [[ ]]", { steps: 2, seed: 1 });
    expect(sample!.tokens).toHaveLength(LENGTH);
    expect((await model.infill("the king", { seed: 1 }))[0]!.text).toBe("the king");
  });

  test("an empty prompt is none", async () => {
    const [empty, none] = [await model.sample({ prompt: "", seed: 2, steps: 2 }), await model.sample({ seed: 2, steps: 2 })];
    expect(empty[0]!.tokens).toEqual(none[0]!.tokens);
    expect(none[0]!.tokens).toHaveLength(LENGTH);
  });
});

describe("seeds", () => {
  test.each([...samplerNames])("sample i depends on (seed, i) alone, bit for bit (%s)", async (sampler) => {
    const options = { seed: 9, steps: 4, sampler, length: 20 };
    const five = tokensOf(await model.sample({ ...options, count: 5 }));
    expect(new Set(five.map(String)).size).toBe(5);
    for (const count of [1, 2, 3, 4]) expect(tokensOf(await model.sample({ ...options, count }))).toEqual(five.slice(0, count));
    expect(tokensOf(await model.sample({ ...options, count: 1, seed: 10 }))).not.toEqual(five.slice(0, 1));
  });

  test("more sequences than one call of the network takes are the same samples", async () => {
    // 192 positions: 42 rows a call, so that 43 sequences need two.
    const options = { seed: 4, steps: 1, length: 192 };
    const many = tokensOf(await model.sample({ ...options, count: 43 }));
    expect(tokensOf(await model.sample({ ...options, count: 1 }))).toEqual(many.slice(0, 1));
    expect(new Set(many.map(String)).size).toBe(43);
  });

  test("one seed, one text: whatever the threads, whichever the model object, with or without watching", async () => {
    const options = { seed: 7, count: 2, steps: 6, prompt: "a king" };
    const first = await model.sample(options);
    expect(tokensOf(await model.sample({ ...options, onStep: () => undefined }))).toEqual(tokensOf(first));
    const threaded = await load(folder, { threads: 2 });
    expect(tokensOf(await threaded.sample(options))).toEqual(tokensOf(first));
    await threaded.dispose();
  });

  test("a seed left out is drawn, returned, and gives the sample again", async () => {
    const [drawn] = await model.sample({ steps: 3 });
    const [again] = await model.sample({ steps: 3, seed: drawn!.seed });
    expect(again).toEqual({ ...drawn, milliseconds: again!.milliseconds });
    expect(drawn).toMatchObject({ steps: 3, sampler: "analytic", model: folder });
  });
});

describe("frames", () => {
  test("a stream begins with holes, changes what it says, and ends with the sample of its seed", async () => {
    const options = { seed: 3, steps: 5 };
    const template = "the king [[6]] fox";
    const all: SampleFrame[] = [];
    for await (const frame of model.stream({ ...options, template })) all.push(frame);
    expect(all.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 5]); // the final denoise is not counted
    expect(all[0]!.text).toBe("the king ▁▁▁▁▁▁ fox");
    for (let i = 1; i < all.length; i++) {
      const moved = all[i]!.tokens.flatMap((token, at) => (token === all[i - 1]!.tokens[at] ? [] : [at]));
      expect(all[i]!.changed).toEqual(moved);
      expect(all[i]!.time).toBeLessThan(all[i - 1]!.time + 1e-12);
      expect(all[i]!.text.startsWith("the king ")).toBe(true);
    }
    const [sample] = await model.infill(template, options);
    expect(all.at(-1)).toMatchObject({ tokens: sample!.tokens, text: sample!.text, sequence: 0 });
  });

  test("onStep sees every sequence after every step", async () => {
    const seen: SampleFrame[] = [];
    const samples = await model.sample({ seed: 1, count: 3, steps: 2, onStep: (frame) => seen.push(frame) });
    expect(seen.map(({ sequence }) => sequence)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    expect(seen.slice(-3).map(({ tokens }) => tokens)).toEqual(tokensOf(samples));
    expect(JSON.parse(JSON.stringify(seen[0]))).toMatchObject({ text: "▁".repeat(LENGTH) });
  });
});

describe("cancellation", () => {
  test("a signal stops between steps, with its reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    let steps = 0;
    const onStep = (): void => {
      if (++steps === 4) controller.abort(reason);
    };
    await expect(model.sample({ steps: 50, seed: 1, signal: controller.signal, onStep })).rejects.toBe(reason);
    expect(steps).toBe(4);
    await expect(model.infill("[[4]]", { signal: controller.signal })).rejects.toBe(reason);
    await expect(model.stream({ signal: controller.signal }).next()).rejects.toBe(reason);
  });

  test("timers are heard while it samples", async () => {
    const signal = AbortSignal.timeout(1);
    await expect(model.sample({ steps: 100_000, seed: 1, signal, sampler: "euler", length: 190 })).rejects.toThrow(/timeout/);
  });

  test("a stream that is left ends; the model goes on working", async () => {
    for await (const { step } of model.stream({ steps: 50, seed: 1 })) if (step === 2) break;
    expect((await model.sample({ steps: 1, seed: 1 }))[0]!.tokens).toHaveLength(LENGTH);
  });
});

describe("a folder without a tokenizer", () => {
  let bare: Model;
  beforeAll(async () => {
    bare = await load(fixturePath("sedd-absorb"), { threads: 1 });
  });
  afterAll(() => bare.dispose());

  test("what takes token ids works, and has no texts", async () => {
    const template = [{ given: [1, 2] }, { tokens: 3 }];
    const [sample] = await bare.sample({ length: 7, steps: 2, seed: 1, constraints: [{ forbid: [3] }] });
    expect(sample).toMatchObject({ text: "", seed: 1 });
    expect(sample!.tokens).toHaveLength(7);
    const [filled] = await bare.infill(template, { steps: 2, seed: 1 });
    expect(filled!.text).toBe("");
    expect(filled!.tokens.slice(0, 2)).toEqual([1, 2]);
    expect(filled!.tokens).toHaveLength(5);
    expect(
      (await bare.infill([{ given: [1, 2] }, { tokens: { min: 1, max: 2 } }, { given: [3] }], { steps: 1, seed: 1 }))[0]!.lengths,
    ).toHaveLength(1);
    const frames: SampleFrame[] = [];
    for await (const frame of bare.stream({ template, steps: 2, seed: 1 })) frames.push(frame);
    expect(frames.at(-1)).toMatchObject({ tokens: filled!.tokens, text: "", done: true });
    const [law] = await bare.laws([1, 50, 2], 1, { top: 2 });
    expect(law).toMatchObject({ position: 1, top: [{ text: "" }, { text: "" }] });
  });

  test("a likelihood of tokens has no counts of characters, and is the same as with a tokenizer", async () => {
    const windows = [Int32Array.of(1, 2, 3), Int32Array.of(4, 5)];
    const likelihood = await bare.likelihood(windows, { samples: 2 });
    expect(likelihood.tokenCount).toBe(5);
    for (const key of ["characters", "bytes", "bitsPerCharacter", "bitsPerByte"]) expect(likelihood).not.toHaveProperty(key);
    const { config, parameters } = await readModel(fixturePath("sedd-absorb"));
    const alphabet = characterTokenizer(characterFile(Array.from({ length: 50 }, (_, i) => String.fromCodePoint(0x61 + i))));
    const spelt = seddModel({ name: bare.name, config, parameters, tokenizer: alphabet, runtime: { threads: 1, spinning: false } });
    const { characters, bytes, bitsPerCharacter, bitsPerByte, ...rest } = await spelt.likelihood(windows, { samples: 2 });
    await spelt.dispose();
    expect(rest).toEqual(likelihood);
    expect([characters, bytes! >= 5, bitsPerByte! <= bitsPerCharacter!]).toEqual([5, true, true]);
  });

  test("a text is refused, and the line says what works", async () => {
    const none =
      /: has no tokenizer\.json, so it takes and gives token ids only \(logScore, laws, likelihood and infill of tokens, sample .*\); sedd convert --tokenizer adds one$/;
    expect(() => bare.tokenizer).toThrow(none);
    await expectUserError(bare.sample({ prompt: "a" }), none);
    await expectUserError(bare.infill("a[[3]]"), none);
    await expectUserError(bare.stream({ template: ["a", { tokens: 3 }] }).next(), none);
    await expectUserError(bare.sample({ constraints: [{ allow: ["a"] }] }), none);
    await expectUserError(bare.likelihood("a"), none);
    await expectUserError(bare.score("[[a]]"), none);
    await expectUserError(bare.rank("[[a]]", ["b"]), none);
    await expectUserError(bare.maskedPrediction("a", { rates: [0.5] }), none);
    await expectUserError(bare.infill([{ given: [50] }, { tokens: 3 }]), /^piece 1 of the template gives token 50; tokens are 0 to 49$/);
  });
});

describe("what is refused", () => {
  const longest = 8 * LENGTH;
  test.each([
    [{ length: 0 }, /^length 0: must be a whole number of at least 1/],
    [{ length: 1.5 }, /^length 1\.5: must be a whole number/],
    [{ length: 10_000 }, new RegExp(`^length 10000: this model runs at up to ${longest} tokens`)],
    [{ steps: 0 }, /^steps must be a whole number of at least 1, got 0/],
    [{ steps: -3 }, /^steps must be .* got -3/],
    [{ steps: NaN }, /^steps must be .* got NaN/],
    [{ count: 0 }, /^count must be a whole number of at least 1, got 0/],
    [{ count: 2.5 }, /^count must be/],
    [{ count: 1e9 }, /^count 1000000000: 1000000000 × 24 tokens are too many for one call; give at most \d+/],
    [{ seed: 0.5 }, /^seed 0\.5: must be a whole number/],
    [{ seed: 2 ** 60 }, /^seed 1152921504606847000: must be/],
    [{ sampler: "ddim" as "euler" }, /^unknown sampler "ddim"; there are analytic, euler, first-hitting/],
    [{ prompt: "the king and ".repeat(20) }, /^the prompt has \d+ tokens, which leaves nothing to write at length 24/],
    [{ prompt: "\ud800" }, /half of a surrogate pair \(U\+D800\)/],
  ])("sample %j", async (options, message) => {
    await expectUserError(model.sample(options), message);
    // A stream is one sequence, whatever count says.
    if (!("count" in options)) await expectUserError(model.stream(options).next(), message);
  });

  test.each([
    ["", /^the template is empty/],
    ["[[10000]]", new RegExp(`^the hole \\[\\[10000\\]\\] at character 1 of the template is longer than the ${longest} tokens`)],
    ["a [[100]] b [[100]]", /^the template comes to 20\d tokens; at most 192 are possible/],
    ["a [[ b", /the template's \[\[ at character 3 is not closed by \]\]/],
    ["[[0]]", /must have at least 1 token/],
    ["[[x]]", /is no count of tokens/],
    ["\udc00[[2]]", /half of a surrogate pair/],
  ])("infill %j", async (template, message) => {
    await expectUserError(model.infill(template), message);
    await expectUserError(model.stream({ template }).next(), message);
  });

  test("a template and a prompt at once", async () => {
    await expectUserError(model.stream({ template: "[[2]]", prompt: "a" }).next(), /^template and prompt: give one of them/);
  });

  test("logScore: sizes, tokens and noise that do not fit", async () => {
    const states = tokenizer.size + 1;
    await expectUserError(model.logScore(new Int32Array(5), Float64Array.of(1, 1)), /5 tokens are not 2 rows of one length/);
    await expectUserError(model.logScore(new Int32Array(0), Float64Array.of(1)), /0 tokens are not 1 rows/);
    await expectUserError(model.logScore(new Int32Array(4), new Float64Array(0)), /4 tokens are not 0 rows/);
    await expectUserError(model.logScore(Int32Array.of(0, states), Float64Array.of(1)), new RegExp(`token ${states} is no state`));
    await expectUserError(model.logScore(Int32Array.of(-1), Float64Array.of(1)), /token -1 is no state/);
    for (const sigma of [0, -1, NaN, Infinity])
      await expectUserError(model.logScore(Int32Array.of(1), Float64Array.of(sigma)), /sigma .* must be positive/);
    expect(await model.logScore(Int32Array.of(1, states - 1), Float64Array.of(1, 2))).toHaveLength(2 * states);
  });
});
