/** The likelihood bound of a text: what is counted, what is reported, and its error bar. The estimate itself is tested in diffusion/. */
import { createHash } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { compareLikelihoods } from "../../src/objectives/sedd-comparison.ts";
import { estimatorNames } from "../../src/objectives/sedd-likelihood.ts";
import { seddModel, type SeddModel } from "../../src/objectives/sedd-model.ts";
import { UserError } from "../../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../../src/text/character.ts";
import { configOf, parametersOf } from "./support.ts";

const alphabet = [..." abcdefghij\n🦊é"];
const tokenizer = characterTokenizer(characterFile(alphabet));
const LENGTH = 8;
const make = (parameters?: Float32Array): SeddModel => {
  const base = configOf("normalized");
  const sedd = { ...base, network: { ...base.network, states: tokenizer.size + 1 } };
  return seddModel({
    name: "tiny",
    config: { sedd, length: LENGTH },
    parameters: parameters ?? parametersOf(sedd),
    tokenizer,
    runtime: { threads: 1, spinning: false },
  });
};
const model = make();
afterAll(() => model.dispose());
const text = "a bad cab 🦊 did jig\n";

describe("counts", () => {
  test("every code point once, the short last window included", async () => {
    for (const length of [1, LENGTH - 1, LENGTH, LENGTH + 1, 2 * LENGTH, 20]) {
      const part = [...text].slice(0, length).join("");
      const { tokenCount, characters, protocol } = await model.likelihood(part, { samples: 2 });
      expect([tokenCount, characters]).toEqual([length, length]);
      expect(protocol).toMatchObject({ window: LENGTH, stride: LENGTH });
    }
  });

  test("numbers of one report agree: terms, bits, perplexity", async () => {
    const report = await model.likelihood(text, { samples: 4, seed: 3 });
    const { natsPerToken, tokenCount, characters, bitsPerCharacter, perplexity, protocol } = report;
    expect(Object.keys(protocol.terms)).toEqual(["integral", "tail"]);
    expect(Object.values(protocol.terms).reduce((a, b) => a + b, 0)).toBeCloseTo(natsPerToken, 12);
    expect(bitsPerCharacter).toBeCloseTo((natsPerToken * tokenCount) / Math.LN2 / characters, 12);
    expect(perplexity).toBeCloseTo(Math.exp(natsPerToken), 10);
    expect(report.bytes).toBe(Buffer.byteLength(text));
    expect(report.bitsPerByte * report.bytes).toBeCloseTo(bitsPerCharacter * characters, 10);
    expect(report.estimates.reduce((a, b) => a + b, 0) / protocol.replicates).toBeCloseTo(natsPerToken, 12);
    expect(protocol).toMatchObject({ samples: 4, seed: 3, graph: "absorb", parameterization: "normalized" });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report); // plain data, no NaN
  });
});

test("a network that knows nothing gives exactly log V a token, without an error bar", async () => {
  // A zero head: every token 1/V, so X = log V at every position and time, and the terms add up to (1−ε) + ε of it.
  const parameters = parametersOf(model.config.sedd);
  const { size } = tokenizer;
  const hidden = model.config.sedd.network.hidden;
  const zeroed = parameters.slice();
  const head = (size + 1) * hidden + size + 1; // weight and bias, before the last adaLN
  const end = parameters.length - (2 * hidden * 8 + 2 * hidden);
  zeroed.fill(0, end - head, end);
  const blank = make(zeroed);
  const { natsPerToken, standardError } = await blank.likelihood(text);
  expect(natsPerToken).toBeCloseTo(Math.log(size), 5); // float32 log-scores: 6e-8 of some ten nats
  expect(standardError).toBeLessThan(1e-5);
  await blank.dispose();
});

test("one seed, one number; other noise agrees within the error, which shrinks with the samples", async () => {
  const of = (samples: number, seed: number) => model.likelihood(text, { samples, seed });
  const first = await of(8, 1);
  expect(await of(8, 1)).toEqual(first);
  expect((await model.likelihood(text)).protocol.seed).toBe(0);
  const other = await of(8, 2);
  expect(other.natsPerToken).not.toBe(first.natsPerToken);
  const many = await of(512, 3);
  // 64 times the samples: an eighth of the error; within a factor of two, since 16 replicates estimate it to about a fifth.
  expect(many.standardError).toBeLessThan(first.standardError / 3);
  for (const few of [first, other]) {
    const error = Math.hypot(few.standardError, many.standardError);
    expect(Math.abs(few.natsPerToken - many.natsPerToken)).toBeLessThan(6 * error);
  }
});

test("the card names estimator, weights, text and version; other weights and texts have other fingerprints", async () => {
  const { protocol } = await model.likelihood(text, { samples: 2 });
  expect(protocol).toMatchObject({ estimator: "stratified", windows: 3, version: expect.stringMatching(/^\d+\.\d+\.\d+/) });
  const sha = createHash("sha256").update(text).digest("hex").slice(0, 16);
  expect(protocol.text).toBe(sha);
  expect(protocol.weights).toMatch(/^[0-9a-f]{16}$/);
  const shifted = make(parametersOf(model.config.sedd).map((value, i) => value + (i === 0 ? 1e-6 : 0)));
  const other = await shifted.likelihood(`${text} `, { samples: 2 });
  expect(other.protocol.weights).not.toBe(protocol.weights);
  expect(other.protocol.text).not.toBe(protocol.text);
  await shifted.dispose();
});

test("every estimator tells the same for a normalized model; a fixed order is exact and knows no seed", async () => {
  const reports = await Promise.all(
    estimatorNames.map((estimator) => model.likelihood(text, { estimator, samples: estimator === "any-order" ? 64 : 256, seed: 2 })),
  );
  const [stratified, exactK, anyOrder, leftToRight] = reports as [(typeof reports)[0], ...typeof reports];
  for (const report of [exactK!, anyOrder!]) {
    const error = Math.hypot(report.standardError, stratified.standardError);
    // 5 standard errors, from at least 16 replicates each.
    expect(Math.abs(report.natsPerToken - stratified.natsPerToken)).toBeLessThan(5 * error);
  }
  expect(leftToRight!.standardError).toBe(0);
  expect(leftToRight!.estimates).toEqual([leftToRight!.natsPerToken]);
  expect((await model.likelihood(text, { estimator: "left-to-right", seed: 9 })).natsPerToken).toBe(leftToRight!.natsPerToken);
  for (const report of [anyOrder!, leftToRight!]) {
    expect(Object.keys(report.protocol.terms)).toEqual(["unmasking"]);
    expect(Math.abs(report.protocol.unnormalised!)).toBeLessThan(1e-5); // float32: normalised by construction
  }
});

describe("two models", () => {
  const shifted = make(parametersOf(model.config.sedd).map((value, i) => value * (1 + 0.02 * Math.sin(i))));
  afterAll(() => shifted.dispose());
  test("under the same noise: the difference of the numbers, with a much smaller error than either's", async () => {
    const [a, b] = await Promise.all([model, shifted].map((one) => one.likelihood(text, { samples: 64 })));
    const { difference, standardError, paired } = compareLikelihoods(a!, b!);
    expect(paired).toBe(true);
    expect(difference).toBeCloseTo(a!.bitsPerCharacter - b!.bitsPerCharacter, 12);
    const inBits = (a!.standardError * a!.tokenCount) / Math.LN2 / a!.characters;
    expect(standardError).toBeLessThan(inBits / 2);
    expect(compareLikelihoods(a!, a!)).toMatchObject({ difference: 0, standardError: 0 });
  });
  test("under other noise the errors add; reports read back from JSON do as well", async () => {
    const [a, b] = [await model.likelihood(text), await shifted.likelihood(text, { seed: 1 })];
    const compared = compareLikelihoods(JSON.parse(JSON.stringify(a)), JSON.parse(JSON.stringify(b)));
    expect(compared.paired).toBe(false);
    const scale = a.tokenCount / Math.LN2 / a.characters;
    expect(compared.standardError).toBeCloseTo(scale * Math.hypot(a.standardError, b.standardError), 12);
  });
  test("different texts are refused", async () => {
    const [a, b] = [await model.likelihood("abc"), await model.likelihood("abd")];
    expect(() => compareLikelihoods(a, b)).toThrow(/different texts/);
  });
});

test("progress reaches its end; a signal stops it with its reason", async () => {
  const seen: [number, number][] = [];
  await model.likelihood(text, { samples: 4, onProgress: (done, total) => seen.push([done, total]) });
  const total = seen[0]![1];
  expect(seen.at(-1)).toEqual([total, total]);
  seen.forEach(([done], i) => expect(done).toBeGreaterThan(seen[i - 1]?.[0] ?? 0));
  const controller = new AbortController();
  const stopped = model.likelihood(text.repeat(200), { samples: 64, signal: controller.signal, onProgress: () => controller.abort() });
  const error: unknown = await stopped.catch((thrown: unknown) => thrown);
  expect(error).toBe(controller.signal.reason);
});

test("what is refused", async () => {
  const refused = async (promise: Promise<unknown>, message: RegExp): Promise<void> => {
    const error: unknown = await promise.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
  };
  await refused(model.likelihood(""), /the text is empty; give at least one character/);
  await refused(
    model.likelihood([new Int32Array(model.longest + 1)]),
    /^a text of \d+ tokens: this model reads at most \d+ at once; shorten the text$/,
  );
  await refused(model.likelihood("xyz"), /"x" \(U\+0078\) at position 0 is not in the alphabet/);
  for (const samples of [0, 1, 2.5, NaN]) await refused(model.likelihood("a", { samples }), /samples must be a whole number of at least 2/);
  await refused(
    model.likelihood("a", { estimator: "best" as never }),
    /estimator best: not known; stratified, exact-k, any-order, left-to-right, pseudo are/,
  );
  for (const inherited of ["toString", "__proto__", "constructor"])
    await refused(model.likelihood("a", { estimator: inherited as never }), new RegExp(`^estimator ${inherited}: not known; `));
  await refused(model.likelihood("a", { seed: 1.5 }), /seed 1\.5: must be a whole number/);
  const windows = [Int32Array.of(1, 2, 3)];
  for (const [free, message] of [
    [[3], /^position 3 of window 0 cannot be judged; give positions from 0 to 2, each once$/],
    [[-1], /^position -1 of window 0 cannot be judged; /],
    [[1, 1], /^position 1 of window 0 is to be judged twice; /],
    [[2, 0], /^the positions of window 0 to judge, 2, 0: give them in ascending order$/],
  ] as const)
    await refused(model.likelihood(windows, { free: [Int32Array.from(free)] }), message);
  await refused(model.likelihood(windows, { free: [] }), /^positions to judge are given for 0 windows; there are 1$/);
  await refused(model.likelihood([Int32Array.of(tokenizer.size)]), /^window 0 holds token 14; tokens are 0 to 13$/);
});
