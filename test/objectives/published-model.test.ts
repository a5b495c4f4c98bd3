/** GPT-2 and BERT, loaded as models: their laws are those of the transformers library, samples follow them, and what they cannot do is said in one line. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readModelFolder } from "../../src/formats/hub.ts";
import { load, readModel, type Model } from "../../src/model.ts";
import { publishedModel } from "../../src/objectives/published-model.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { UserError } from "../../src/platform/errors.ts";
import { loadFolderTokenizer } from "../../src/text/folder.ts";
import { loadFixture, logitsOf } from "../network/logits.ts";
import { golden } from "../support/fixtures.ts";
import { charactersWithEnd, publishedFolder, VOCABULARY, wordsWith } from "../support/published-folder.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { devices } from "./support.ts";

async function loaded(folder: string, device: (typeof devices)[number] = "cpu"): Promise<Model> {
  const model = await load(folder, { device, threads: 1 });
  onTestFinished(() => model.dispose());
  return model;
}

async function refused(attempt: () => Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await attempt().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain("\n");
}

/** Row `at` of logits as probabilities, over `open` tokens alone. */
function softmax(logits: ArrayLike<number>, at: number, open: (token: number) => boolean = () => true): number[] {
  const weights = Array.from({ length: VOCABULARY }, (_, y) => (open(y) ? Math.exp(logits[at * VOCABULARY + y]!) : 0));
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

/** A fixture's texts, and its logits in float64. */
function texts(name: string): { rows: Int32Array[]; logits: Float64Array } {
  const io = golden(`${name}/io.safetensors`);
  const [batch, length] = io.shape("input_ids") as [number, number];
  const tokens = io.int32("input_ids") as Int32Array;
  return { rows: Array.from({ length: batch }, (_, r) => tokens.slice(r * length, (r + 1) * length)), logits: io.float64("logits_f64") };
}

/** Log-probabilities of a vocabulary of 60 under a network of width 48, in float32. */
const TOLERANCE = 1e-5;

describe("GPT-2", () => {
  const { rows, logits } = texts("gpt2");
  const length = rows[0]!.length;
  /** The first token of a golden text is what stands before the rest. Of 20 positions, which no padded length is, or the fixture's 32. */
  const beginningWith = (row: number, change: { n_positions?: number } = { n_positions: length }) =>
    publishedFolder("gpt2", charactersWithEnd(rows[row]![0]!), change);

  test.each(devices)("on %s: the likelihood of the golden texts after their first token is the golden loss", async (device) => {
    let sum = 0;
    for (const [r, row] of rows.entries()) {
      const model = await loaded(await beginningWith(r, r === 0 ? {} : { n_positions: length }), device);
      const text = row.slice(1);
      const { natsPerToken, standardError, protocol } = await model.likelihood([text]);
      const nats = text.reduce((total, token, i) => total - Math.log(softmax(logits, r * length + i)[token]!), 0);
      expect(Math.abs(natsPerToken - nats / text.length)).toBeLessThan(TOLERANCE);
      expect([standardError, protocol.objective, protocol.estimator]).toEqual([0, "ar", "left-to-right"]);
      sum += natsPerToken;
    }
    const loss = golden("gpt2/io.safetensors").float64("loss")[0]!;
    expect(Math.abs(sum / rows.length - loss)).toBeLessThan(TOLERANCE);
  });

  test("is a model of as many tokens as it has positions", async () => {
    const model = await loaded(await beginningWith(0, {}));
    expect([model.length, model.longest, model.parameterCount]).toEqual([32, 32, 61_056]);
    const { text } = (await model.sample({ seed: 1 }))[0]!;
    const { tokenCount, protocol } = await model.likelihood(`${text}${text}`);
    expect([tokenCount, protocol.windows, protocol.window]).toEqual([64, 2, 32]);
  });

  test.each(devices)("on %s: keys and values kept tell what the whole network tells, to the last position", async (device) => {
    const folder = await beginningWith(1);
    const { config, parameters, network } = publishedModel(await readModelFolder(folder), await loadFolderTokenizer(folder), folder);
    const score = networkScore(config.sedd, parameters, { device }, network);
    onTestFinished(() => score.dispose());
    const run = score.forRun!();
    const all = Int32Array.from(rows.flatMap((row) => [...row]));
    const rowsAt = async (model: typeof run, position: number) => {
      const positions = Int32Array.from(rows, (_, r) => r * length + position);
      return (await model.evaluate(all, new Float64Array(rows.length).fill(Math.LN2), positions)).rows(Int32Array.of(0, 1, 2));
    };
    for (let i = 0; i < length; i++) {
      const [kept, whole] = [await rowsAt(run, i), await rowsAt(score, i)];
      kept.forEach((log, k) => expect(Math.abs(log - whole[k]!)).toBeLessThan(TOLERANCE));
    }
  });

  test("samples follow the law of the network after <|endoftext|>, written after a prompt too", async () => {
    const model = await loaded(await beginningWith(2));
    const begin = rows[2]![0]!;
    const count = 6000;
    const after = await logitsOf(
      await loadFixture("gpt2"),
      "cpu",
      Array.from({ length: VOCABULARY }, (_, first) => [begin, first]),
    );
    const firsts = softmax(after, 0);
    const law = firsts.flatMap((p, first) => softmax(after, 2 * first + 1).map((q) => p * q));
    const counts = new Float64Array(VOCABULARY ** 2);
    for (const { tokens } of await model.sample({ count, length: 2, seed: 3 })) counts[tokens[0]! * VOCABULARY + tokens[1]!]!++;
    const pairs = chiSquare(counts, law);
    expect(pairs.statistic).toBeLessThan(chiSquareLimit(pairs.freedom));

    const prompt = model.tokenizer.decode([7]);
    const seconds = new Float64Array(VOCABULARY);
    for (const { text, tokens } of await model.sample({ count, length: 2, prompt, seed: 4 })) {
      expect(text.startsWith(prompt)).toBe(true);
      seconds[tokens[1]!]!++;
    }
    const { statistic, freedom } = chiSquare(seconds, softmax(after, 2 * 7 + 1));
    expect(statistic).toBeLessThan(chiSquareLimit(freedom));
  });

  test("a sample is the same alone and among others", async () => {
    const model = await loaded(await beginningWith(0));
    const [alone] = await model.sample({ seed: 5 });
    expect((await model.sample({ seed: 5, count: 5 }))[0]!.tokens).toEqual(alone!.tokens);
  });

  test("a text that is longer than its positions, another sampler, a score: refused", async () => {
    const model = await loaded(await beginningWith(0));
    await refused(
      () => model.sample({ length: 21 }),
      /^length 21: this model runs at up to 20 tokens \(as many as its network has positions for\)/,
    );
    await refused(
      () => model.likelihood([new Int32Array(21)]),
      /^a text of 21 tokens: this model reads at most 20 at once; shorten the text$/,
    );
    await refused(() => model.sample({ sampler: "analytic" }), /writes from left to right/);
    await refused(() => model.score("ab[[c]]"), /writes from left to right and has no scores/);
  });
});

describe("BERT", () => {
  const { rows, logits } = texts("bert");
  const length = rows[0]!.length;
  /** Tokens that stand inside the golden texts, and are MASK in turn. */
  const masks = [39, 5, 28];
  /** The golden text's own ends around it. */
  const readingRow = (r: number) =>
    publishedFolder("bert", wordsWith({ "[CLS]": rows[r]![0]!, "[SEP]": rows[r]!.at(-1)!, "[MASK]": masks[r]!, "[UNK]": 2 }));

  test.each(devices)("on %s: at a MASK the law is the softmax of the golden logits", async (device) => {
    for (const [r, row] of rows.entries()) {
      const model = await loaded(await readingRow(r), device);
      const text = row.slice(1, -1).map((token) => (token === masks[r] ? VOCABULARY : token));
      const laws = await model.laws(text, 1, { top: VOCABULARY });
      expect(laws.map(({ position }) => position)).toEqual([...text.keys()].filter((i) => text[i] === VOCABULARY));
      for (const { position, top } of laws) {
        const law = softmax(logits, r * length + 1 + position);
        expect(top).toHaveLength(VOCABULARY);
        for (const { token, probability } of top) expect(Math.abs(probability - law[token]!)).toBeLessThan(TOLERANCE);
      }
    }
  });

  const CLS = 57, SEP = 48, MASK = 39; // prettier-ignore
  const isText = (token: number): boolean => token !== CLS && token !== SEP && token !== MASK;

  test("the pseudo-likelihood masks each token alone, between [CLS] and [SEP]", async () => {
    const model = await loaded(await readingRow(0));
    expect([model.length, model.longest]).toEqual([30, 30]);
    const text = [3, 9, 4, 1, 59];
    const masked = text.map((_, i) => [CLS, ...text.with(i, MASK), SEP]);
    const truth = await logitsOf(await loadFixture("bert"), "cpu", masked);
    const nats = text.reduce((sum, token, i) => sum - Math.log(softmax(truth, i * 7 + 1 + i)[token]!), 0);
    const { natsPerToken, protocol } = await model.likelihood([Int32Array.from(text)], { samples: text.length });
    expect(Math.abs(natsPerToken - nats / text.length)).toBeLessThan(TOLERANCE);
    expect([protocol.objective, protocol.estimator]).toEqual(["mlm", "pseudo"]);
    expect((await model.likelihood(model.tokenizer.decode(text), { samples: text.length })).natsPerToken).toBeCloseTo(natsPerToken, 12);
  });

  test("masked prediction at rates runs on full windows", async () => {
    const model = await loaded(await readingRow(0));
    const windows = rows.map((row) => row.slice(1, -1));
    const [one] = await model.maskedPrediction(windows, { rates: [1 / 16] });
    expect(one!.positions).toBe(3);
    expect(one!.crossEntropy).toBeGreaterThan(2);
    expect(one!.crossEntropy).toBeLessThan(7);
  });

  test("infilling keeps what is given, and fills holes by unmasking in random order with tokens of texts alone", async () => {
    const model = await loaded(await readingRow(0));
    const read = (a: number, b: number): number[] => [CLS, 3, a, b, 59, SEP];
    const tokens = Array.from({ length: VOCABULARY }, (_, token) => token);
    const network = await loadFixture("bert");
    const truth = await logitsOf(network, "cpu", [
      read(MASK, MASK),
      ...tokens.map((a) => read(a, MASK)),
      ...tokens.map((b) => read(MASK, b)),
    ]);
    const [left, right] = [softmax(truth, 2, isText), softmax(truth, 3, isText)];
    const rightAfter = tokens.map((a) => softmax(truth, (1 + a) * 6 + 3, isText));
    const leftAfter = tokens.map((b) => softmax(truth, (1 + VOCABULARY + b) * 6 + 2, isText));
    const law = tokens.flatMap((a) => tokens.map((b) => (left[a]! * rightAfter[a]![b]! + right[b]! * leftAfter[b]![a]!) / 2));
    const counts = new Float64Array(law.length);
    const samples = await model.infill("w3 [[2]] w59", { count: 12_000, seed: 2 });
    for (const {
      text,
      tokens: [first, a, b, last, ...none],
    } of samples) {
      counts[a! * VOCABULARY + b!]!++;
      if (first !== 3 || last !== 59 || none.length > 0 || !/^w3 \S+ \S+ w59$/.test(text)) expect.fail(text);
    }
    const { statistic, freedom } = chiSquare(counts, law);
    expect(statistic).toBeLessThan(chiSquareLimit(freedom));
    expect(samples[0]!.sampler).toBe("first-hitting");
  });

  test("runs that share calls write what they write alone", async () => {
    const folder = await readingRow(0);
    const shared = await load(folder, { threads: 1, batching: {} });
    onTestFinished(() => shared.dispose());
    const alone = await loaded(folder);
    const templates = ["w3 [[9]] w59", "[[14]] w8", "w1 [[3]] w2 w4 [[12]]"];
    const together = await Promise.all(templates.map((template) => shared.infill(template, { seed: 6 })));
    for (const [i, template] of templates.entries())
      expect((await alone.infill(template, { seed: 6 }))[0]!.tokens).toEqual(together[i]![0]!.tokens);
  });

  test("a text that leaves no room for its ends is refused", async () => {
    const model = await loaded(await readingRow(0));
    await refused(() => model.sample({ length: 31 }), /^length 31: this model runs at up to 30 tokens/);
    await refused(
      () => model.likelihood([new Int32Array(31)]),
      /^a text of 31 tokens: this model reads at most 30 at once; shorten the text$/,
    );
    expect(
      (await model.likelihood([rows[1]!.slice(0, 18), ...[30, 29].map((n) => new Int32Array(n).fill(4))], { samples: 2 })).tokenCount,
    ).toBe(77);
  });
});

describe("folders that will not do", () => {
  const loading = (folder: string) => () => load(folder, { threads: 1 });

  test("without a tokenizer, or with one that lacks what stands around a text", async () => {
    await refused(
      loading(await publishedFolder("gpt2", undefined)),
      /has no tokenizer; tokenizer\.json, or vocab\.json and merges\.txt would do$/,
    );
    await refused(loading(await publishedFolder("bert", undefined)), /has no tokenizer; tokenizer\.json or vocab\.txt would do$/);
    await refused(
      loading(await publishedFolder("gpt2", wordsWith({ "[UNK]": 3 }))),
      /its tokenizer has no <\|endoftext\|>, after which a text begins$/,
    );
    const unmasked = await publishedFolder("bert", wordsWith({ "[CLS]": 1, "[SEP]": 2, "[UNK]": 3 }));
    await refused(loading(unmasked), /its tokenizer has no \[MASK\], which BERT was trained with$/);
  });

  test("with a tokenizer of another size, another activation, another kind of network", async () => {
    const folder = await publishedFolder("gpt2", charactersWithEnd(0));
    const tokenizer = charactersWithEnd(0) as { model: { vocab: Record<string, number> } };
    for (const [character, id] of Object.entries(tokenizer.model.vocab)) if (id === 59) delete tokenizer.model.vocab[character];
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
    await refused(loading(folder), /its tokenizer has 59 tokens, its network 60; they are not of one model$/);
    const relu = await publishedFolder("gpt2", charactersWithEnd(0), { activation_function: "relu" });
    await refused(loading(relu), /activation_function: "relu" is not supported; "gelu_new" or "gelu_pytorch_tanh" is/);
    await refused(loading(await publishedFolder("gpt2", charactersWithEnd(0), { model_type: "t5" })), /model_type: "t5" is not supported/);
  });

  test("with sizes that no memory holds: compared with the weights before anything is made of them", async () => {
    const words = wordsWith({ "[CLS]": 1, "[SEP]": 2, "[MASK]": 3, "[UNK]": 4 });
    await refused(
      loading(await publishedFolder("bert", words, { vocab_size: 600_000_000_000 })),
      /: bert\.embeddings\.word_embeddings\.weight has shape \[60, 48\], its config\.json means \[600000000000, 48\]$/,
    );
    const deep = await publishedFolder("gpt2", charactersWithEnd(0), { n_layer: 40_000_000 });
    await refused(loading(deep), /config\.json: n_layer: .*4096; expected the configuration of a GPT-2 model$/);
  });

  test("are not trained on or saved", async () => {
    const folder = await publishedFolder("gpt2", charactersWithEnd(0));
    await refused(() => readModel(folder), /is used as it is, not trained or saved here; give a model of ours$/);
  });
});
