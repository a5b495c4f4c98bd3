/** The judge: the same number as the model's own likelihood, whatever texts stand beside; GPT-2 by its own tokenizer; and models that cannot judge. */
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { readModelFolder } from "../../src/formats/hub.ts";
import { loadJudge, type Judge } from "../../src/evaluation/judge.ts";
import type { Given, Model } from "../../src/evaluation/report/schema.ts";
import { load } from "../../src/model.ts";
import { publishedNetwork } from "../../src/network/published.ts";
import { UserError } from "../../src/platform/errors.ts";
import { compile, Layout, trace, type Spec, type Tensor } from "../../src/tensor/index.ts";
import { loadFolderTokenizer } from "../../src/text/folder.ts";
import { trainTokenizer } from "../../src/text/train-tokenizer.ts";
import { train } from "../../src/training/train.ts";
import { comparisonSetting, runComparison } from "./comparison-fixture.ts";
import { fixturePath } from "../support/fixtures.ts";
import { setting, temporaryFolder, text } from "../training/support.ts";

const runtime = { threads: 1 };

async function judgeOf(name: string): Promise<Judge> {
  const judge = await loadJudge(name, runtime);
  onTestFinished(() => judge.dispose());
  return judge;
}

async function trained(kind: string, steps = 4): Promise<{ out: string; folder: string }> {
  const { out, recipe, folder } = setting({ objective: { kind }, network: { hidden: 16, layers: 1, heads: 2, conditioning: undefined } });
  await train({ recipe: { ...recipe, schedule: { ...recipe.schedule, steps } }, out });
  return { out, folder };
}

describe("our own ar model", () => {
  test("gives a text the nats that its own likelihood has, alone or among others; of a longer one than its window, with half a window before", async () => {
    const { out } = await trained("ar", 20);
    const model = await load(out, runtime);
    onTestFinished(() => model.dispose());
    const judge = await judgeOf(out);
    const texts = [text(100), text(9, 3), "a", text(16, 5), ...Array.from({ length: 20 }, (_, i) => text(20 + i, i))];
    const together = await judge.judge(texts);
    const [window, stride] = [model.config.length, model.config.length / 2];
    for (const [i, one] of texts.entries()) {
      const tokens = model.tokenizer.encode(one);
      let nats = 0;
      for (let start = 0; start === 0 || start + window - stride < tokens.length; start += stride) {
        const piece = tokens.slice(start, start + window);
        const free = Int32Array.from({ length: piece.length - (start > 0 ? stride : 0) }, (_, at) => at + (start > 0 ? stride : 0));
        const { natsPerToken, tokenCount } = await model.likelihood([piece], { free: [free] });
        nats += natsPerToken * tokenCount;
      }
      expect(together[i]!.tokens).toBe(tokens.length);
      expect(Math.abs(together[i]!.nats - nats)).toBeLessThan(1e-5 * tokens.length);
    }
    const [alone] = await judge.judge([texts[0]!]);
    expect(Math.abs(alone!.nats - together[0]!.nats)).toBeLessThan(1e-4);
    expect(alone!.features).toHaveLength(16);
    alone!.features.forEach((value, h) => expect(Math.abs(value - together[0]!.features[h]!)).toBeLessThan(1e-5));
    expect(Math.hypot(...alone!.features.map((value, h) => value - together[1]!.features[h]!))).toBeGreaterThan(1e-3);
  });

  test("that is half-trained, was trained for something else, or is not there, is refused", async () => {
    const { out } = await trained("ar", 4);
    const yaml = readFileSync(join(out, "recipe.yaml"), "utf8");
    writeFileSync(join(out, "recipe.yaml"), yaml.replace("steps: 4\n  warmup", "steps: 9\n  warmup"));
    await refused(out, /is at step 4 of 9; finish it with sedd train --resume/);
    await refused((await trained("mlm")).out, /was trained for mlm; a judge reads from left to right/);
    await refused(join(out, "nowhere"), /nowhere: no such folder/);
  });
});

async function refused(name: string, message: RegExp): Promise<void> {
  const error = await loadJudge(name, runtime).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain("\n");
}

describe("a folder of GPT-2", () => {
  /** The fixture's network, of 96 tokens, with a tokenizer of its own: characters, and an end-of-text. */
  async function gpt2(special = ["<|endoftext|>"]): Promise<{ folder: string }> {
    const folder = temporaryFolder();
    for (const name of ["config.json", "model.safetensors"]) cpSync(fixturePath(`gpt2/${name}`), join(folder, name));
    writeFileSync(join(folder, "text.txt"), text(1500));
    const tokenizer = await trainTokenizer({ files: [join(folder, "text.txt")], kind: "character", special });
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer.toJSON()));
    return { folder };
  }

  test("reads a text by its own tokenizer, after its end-of-text", async () => {
    const { folder } = await gpt2();
    const judge = await judgeOf(folder);
    const tokenizer = await loadFolderTokenizer(folder);
    const sentence = text(20, 4);
    const tokens = tokenizer!.encode(sentence);
    const [judged] = await judge.judge([sentence]);
    expect(judged!.tokens).toBe(tokens.length);
    expect(Math.abs(judged!.nats - (await plainNats(folder, [tokenizer!.endOfText!, ...tokens])))).toBeLessThan(1e-4);
  });

  test("judges a comparison whose models have another tokenizer, and says so where it cannot read what they write", async () => {
    const { folder } = await gpt2();
    const settingOf = (tokenizer: object) =>
      comparisonSetting((recipe) => {
        recipe.training["tokenizer"] = tokenizer;
        recipe.contestants = { ardm: {} };
        recipe.judge = folder;
      });
    const { report } = await runComparison(settingOf({ kind: "character" }));
    const { generation, speed } = report.models.ardm as { generation: Given<Model["generation"]>; speed: object };
    expect(generation.judge).toBe(folder);
    expect(generation.bitsPerCharacter!.value).toBeCloseTo(Math.log2(generation.perplexity.value), 6); // a character a token
    expect(speed).toEqual({ not: expect.stringContaining("ar") });
    expect(report.protocols["generation"]!.how).toMatch(/GPT-2 of 61,056 parameters, windows of 32 tokens, each after <\|endoftext\|>/);
    // Untrained, a model of bytes writes what is no text.
    await expect(runComparison(settingOf({ kind: "bpe", size: 270 }))).rejects.toThrow(
      /^judge .* cannot read ".*": character .* is not in the alphabet of 22/,
    );
  });

  test("without an end-of-text is refused", async () => refused((await gpt2([])).folder, /no <\|endoftext\|>/));
});

/** Σ −log softmax of the network's logits for each token but the first, in plain float64. */
async function plainNats(folder: string, tokens: number[]): Promise<number> {
  const stored = await readModelFolder(folder);
  const { network, parameters } = publishedNetwork(stored, folder);
  const layout = new Layout(network.parameters);
  const specs = Object.fromEntries(layout.views.map(({ name, shape }): [string, Spec] => [name, { dtype: "float32", shape }]));
  const program = trace({ ...specs, tokens: { dtype: "int32", shape: [1, tokens.length] } }, (inputs: Record<string, Tensor>) => ({
    logits: network.head(inputs, network.trunk(inputs, { tokens: inputs["tokens"]! })),
  }));
  const executable = await compile(program, runtime);
  const { logits } = await executable.run({ ...layout.slices(parameters), tokens: Int32Array.from(tokens) });
  await executable.dispose();
  let nats = 0;
  for (let i = 1; i < tokens.length; i++) {
    const row = Array.from((logits as Float32Array).subarray((i - 1) * network.vocabulary, i * network.vocabulary));
    nats += Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0)) - row[tokens[i]!]!;
  }
  return nats;
}
