/** The likelihood bound of a text: what is counted, what is reported, and its error bar. The estimate itself is tested in diffusion/. */
import { afterAll, describe, expect, test } from "vitest";
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
  await refused(model.likelihood("xyz"), /"x" \(U\+0078\) at position 0 is not in the alphabet/);
  for (const samples of [0, 1, 2.5, NaN]) await refused(model.likelihood("a", { samples }), /samples must be a whole number of at least 2/);
  await refused(model.likelihood("a", { seed: 1.5 }), /seed 1\.5: must be a whole number/);
});
