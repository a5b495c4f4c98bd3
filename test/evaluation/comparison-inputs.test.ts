/** What a comparison refuses, each with one line and before any training; and what makes a stored measurement stale. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { readComparison } from "../../src/evaluation/comparison-recipe.ts";
import { writeFinishedRun } from "../../src/evaluation/finished-run.ts";
import type { MeasuredLikelihood } from "../../src/evaluation/measures/likelihood.ts";
import { openStore } from "../../src/evaluation/store.ts";
import { UserError } from "../../src/platform/errors.ts";
import { exists } from "../../src/platform/node.ts";
import { trainTokenizer } from "../../src/text/train-tokenizer.ts";
import { temporaryFolder, text } from "../training/support.ts";
import { comparisonSetting, runComparison, type Setting, type tinyComparison } from "./comparison-fixture.ts";

type Change = (recipe: ReturnType<typeof tinyComparison>) => void;

async function refused(setting: Setting, message: RegExp): Promise<void> {
  const error = await runComparison(setting).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toContain("\n");
}

test.each<[string, Change, RegExp]>([
  [
    "an unknown key",
    ({ evaluation }) => (evaluation["texts"] = 1),
    /tiny\.yaml: evaluation\.texts: unknown key; known here: test, characters/,
  ],
  ["an unknown key of the training", ({ training }) => (training["batchs"] = 1), /training \(sedd-absorb\): batchs: unknown key/],
  [
    "steps in place of tokens",
    ({ training }) => (training["schedule"] = { tokens: 9, steps: 4 }),
    /training \(sedd-absorb\): schedule\.steps: 4 .*give tokens/,
  ],
  ["no tokens", ({ training }) => (training["schedule"] = {}), /training \(sedd-absorb\): schedule: neither tokens nor minutes; give one/],
  ["a contestant that there is not", ({ contestants }) => (contestants["gpt"] = {}), /contestants.*gpt/],
  [
    "a key that its objective has not",
    ({ contestants }) => (contestants["mlm"] = { graph: "absorb" }),
    /training \(mlm\): objective\.graph: unknown key/,
  ],
  [
    "too few noisy copies for an error",
    ({ evaluation }) => (evaluation["likelihood"] = { least: 2 }),
    /evaluation\.likelihood\.least: .*8/,
  ],
  [
    "a key that makes another contestant of it",
    ({ contestants }) => (contestants["sedd-absorb"] = { loss: "l2" }),
    /contestants\.sedd-absorb\.loss: "l2" would make another contestant of it; leave it out/,
  ],
  ["an objective for all", ({ training }) => (training["objective"] = { parameterization: "score" }), /training\.objective: will not do/],
  [
    "fewer texts at most than at least",
    ({ evaluation }) => (evaluation["generation"] = { least: 300 }),
    /evaluation\.generation\.least: 300 is above most, 256; raise most too/,
  ],
  [
    "windows that all end, where the steps are not known beforehand",
    ({ training }) => Object.assign(training, { schedule: { minutes: 1 }, windows: [{ length: 16, until: 100 }] }),
    /training \(sedd-absorb\): windows: all end/,
  ],
  ["a key of the judge", (recipe) => (recipe.judge = { steps: 3 }), /judge/],
  [
    "too few texts for an error",
    ({ evaluation }) => (evaluation["generation"] = { least: 4 }),
    /generation\.least: 4 .*4 batches, 8 texts/,
  ],
])("refuses %s", async (_, change, message) => refused(comparisonSetting(change), message));

test("refuses a recipe without contestants", async () => {
  await refused(
    comparisonSetting((recipe) => (recipe.contestants = {})),
    /contestants: none; give at least one of sedd-absorb/,
  );
});

test("refuses a judge that is not there before it trains anything", async () => {
  const setting = comparisonSetting((recipe) => (recipe.judge = "/nowhere/judge"));
  await refused(setting, /^model \/nowhere\/judge: no such folder/);
  expect(await exists(join(setting.out, "sedd-absorb"))).toBe(false);
});

test("refuses a test text of less than two windows, or one that is missing, before it trains where the tokenizer is there", async () => {
  const tokenizer = join(process.cwd(), "models/fairytales/tokenizer.json");
  const short = comparisonSetting(({ training, evaluation }) => {
    training["tokenizer"] = tokenizer;
    evaluation["characters"] = 20;
  });
  await refused(short, /evaluation\.test: .*test\.txt: \d+ tokens are fewer than two windows of 16; give a longer text/);
  const missing = comparisonSetting(({ evaluation }) => (evaluation["test"] = "/nowhere/test.txt"));
  await refused(missing, /\/nowhere\/test\.txt/);
  for (const { out } of [short, missing]) expect(await exists(join(out, "sedd-absorb"))).toBe(false);
});

test("refuses an out folder that it cannot write to, and one in use", async () => {
  const setting = comparisonSetting();
  const file = join(setting.folder, "file");
  writeFileSync(file, "");
  await refused({ ...setting, out: join(file, "out") }, /make the folder .*file/);
  mkdirSync(setting.out);
  writeFileSync(join(setting.out, ".lock"), `${process.ppid}\nother\n`);
  await refused(setting, /is in use by process/);
});

test.each<[string, string, string, RegExp]>([
  [
    "a learning rate",
    "learningRate: 0.003",
    "learningRate: 0.01",
    /optimizer\.learningRate: 0\.01, but the run in .*ar .* was begun with 0\.003/,
  ],
  ["more tokens", "tokens: 256", "tokens: 512", /schedule\.steps: 8, but the run in .*ar .* was begun with 4/],
  ["longer windows", "length: 16", "length: 32", /windows\.0\.length: 32, but the run in .*ar .* was begun with 16/],
])("all runs of a comparison are of its recipe: %s is refused", async (_, was, is, message) => {
  const setting = comparisonSetting((recipe) => {
    recipe.contestants = { ar: {} };
    recipe.training["optimizer"] = { learningRate: 0.003 };
  });
  await runComparison(setting);
  writeFileSync(setting.recipe, readFileSync(setting.recipe, "utf8").replace(was, is));
  await refused(setting, message);
});

test.each([
  ["minutes: 0.02", "minutes: 0.01", /schedule\.minutes: 0\.01, but the run in .*ar .* was begun with 0\.02/],
  ["decay: linear", "decay: cosine", /schedule\.decay: "cosine", but the run in .*ar .* was begun with "linear"/],
  ["minutes: 0.02", "tokens: 256", /schedule\.\w+: .* but the run in .*ar .* was begun with/],
])("a run of so many minutes is of its recipe: %s is not %s, be it finished or not", async (was, is, message) => {
  const setting = comparisonSetting((recipe) => {
    recipe.contestants = { ar: {} };
    recipe.training["schedule"] = { minutes: 0.02, warmup: 2, decay: "linear" };
  });
  await runComparison(setting);
  const finished = join(setting.folder, "finished");
  for (const name of ["ar", "judge"]) await writeFinishedRun(join(setting.out, name), join(finished, name));
  await runComparison({ ...setting, out: finished });
  writeFileSync(setting.recipe, readFileSync(setting.recipe, "utf8").replace(was, is));
  for (const out of [setting.out, finished]) await refused({ ...setting, out }, message);
});

test("a tokenizer that is another one by now, under the name that runs were begun with, is refused", async () => {
  const path = join(temporaryFolder(), "tokenizer.json");
  const write = async (kind: "character" | "bpe", corpus: string) =>
    writeFileSync(path, JSON.stringify((await trainTokenizer({ files: [corpus], kind, size: 280 })).toJSON()));
  let corpus = "";
  const setting = comparisonSetting((recipe) => {
    recipe.contestants = { ar: {} };
    recipe.training["tokenizer"] = path;
    [corpus] = (recipe.training["data"] as { train: [string] }).train;
  });
  await write("character", corpus);
  await runComparison(setting);
  await write("bpe", corpus);
  await refused(setting, /^tokenizer: .*tokenizer\.json is another one by now than the run in .*ar was begun with/);
});

test("passes of a size of their own count as they are; the separator of documents is the end-of-text token in the test text too", async () => {
  const setting = comparisonSetting((recipe) => {
    recipe.contestants = { ar: {} };
    recipe.training["windows"] = [{ length: 16, tokens: 32 }];
    recipe.training["data"] = { ...(recipe.training["data"] as object), separator: "\n\n" };
    recipe.training["tokenizer"] = { kind: "character", special: ["<|endoftext|>"] };
    const test = join(dirname(recipe.evaluation["test"] as string), "two.txt");
    writeFileSync(test, `${text(100)}\n\n${text(100, 3)}\n\n`);
    recipe.evaluation["test"] = test;
  });
  const { report } = await runComparison(setting);
  expect(report.models.ar!.tokensSeen).toBe(256);
  // 200 characters and one token between two documents.
  const { tokens, natsPerToken, bitsPerCharacter } = (
    JSON.parse(readFileSync(join(setting.out, "evaluation/ar/likelihood.json"), "utf8")) as { value: MeasuredLikelihood }
  ).value;
  expect(tokens).toBe(201);
  expect(bitsPerCharacter.value).toBeCloseTo((natsPerToken.value * 201) / Math.LN2 / 200, 10);
  expect(report.protocols["likelihood"]!.data).toMatch(/documents \(apart by "\\n\\n"\) with an end-of-text token between them/);
});

test("a run of another recipe in a contestant's folder is refused; one that is gone is trained again", async () => {
  const setting = comparisonSetting((recipe) => (recipe.contestants = { ar: {} }));
  const first = await runComparison(setting);
  rmSync(join(setting.out, "ar", "checkpoint.safetensors"));
  const trained: string[] = [];
  const again = await runComparison(setting, { onMetric: (_, { kind }) => void trained.push(kind) });
  expect(trained).toContain("step");
  const { trainingSeconds: _, curve: __, ...model } = again.report.models.ar!;
  expect(first.report.models.ar).toMatchObject({ likelihood: model.likelihood!, samples: model.samples! });
  const yaml = readFileSync(setting.recipe, "utf8");
  writeFileSync(setting.recipe, yaml.replace("hidden: 16", "hidden: 32"));
  await refused(setting, /network\.hidden: 32, but the run in .*ar .* was begun with 16/);
});

test("tokens become steps, σ goes to those that are told it, and the judge has what it is given besides", async () => {
  const { contestants, judge, length } = await readComparison("recipes/compare.yaml");
  expect([...contestants.values()].map(({ recipe }) => recipe.schedule.steps)).toEqual(Array.from({ length: 6 }, () => 2500));
  expect([...contestants].map(([name, { recipe }]) => [name, recipe.network.conditioning])).toEqual([
    ["sedd-absorb", 64],
    ["sedd-uniform", 64],
    ["mlm", undefined],
    ["ardm", undefined],
    ["ar", undefined],
    ["sedd-l2", 64],
  ]);
  expect(judge).toMatchObject({
    recipe: { objective: { kind: "ar" }, schedule: { steps: 3125, warmup: 100 }, seed: 2, network: { hidden: 256 } },
  });
  expect(length).toBe(128);
  await readComparison("recipes/compare-quick.yaml");
});

test("a measurement is made again for another key, after other code or where its file is damaged, and only then", async () => {
  const folder = temporaryFolder();
  const store = openStore(folder);
  let made = 0;
  const ask = (key: object) => store.remember("a/number", { ...key }, async () => ({ value: ++made }));
  expect(await ask({ weights: "x", samples: 2 })).toEqual({ value: 1 });
  expect(await ask({ weights: "x", samples: 2 })).toEqual({ value: 1 });
  expect(await ask({ weights: "y", samples: 2 })).toEqual({ value: 2 });
  expect(await ask({ weights: "y", samples: 4 })).toEqual({ value: 3 });
  const path = join(folder, "a", "number.json");
  const ofOtherCode = readFileSync(path, "utf8").replace(/"measures": \d+/, '"measures": 0');
  for (const stale of [ofOtherCode, "{", "null", "3", "[]"]) {
    writeFileSync(path, stale);
    const before = made;
    expect(await ask({ weights: "y", samples: 4 })).toEqual({ value: before + 1 });
  }
  const failing = store.remember("b", {}, () => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
  expect(await exists(join(folder, "b.json"))).toBe(false);
});
