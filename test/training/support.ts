/** Small recipes, texts and folders for tests of training: a network of a few thousand parameters, windows of 8 and 16 tokens. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { readModel } from "../../src/model.ts";
import { UserError } from "../../src/platform/errors.ts";
import { checkRecipe, type Recipe } from "../../src/training/recipe.ts";
import { train, type Metric, type TrainOptions } from "../../src/training/train.ts";

/** A folder that goes with the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sedd-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const words = "the king and queen of a golden wood met one old fox who told them, by night: go home".split(" ");

/** English-like text without a period, always the same. */
export function text(length: number, seed = 1): string {
  let state = seed;
  const parts: string[] = [];
  for (let size = 0; size <= length;) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    const word = words[(state >>> 16) % words.length]!;
    parts.push(word);
    size += word.length + 1;
  }
  return parts.join(" ").slice(0, length);
}

export interface Corpus {
  readonly train: string;
  readonly valid: string;
}

export function writeCorpus(folder: string, contents: { train?: string | Uint8Array; valid?: string | Uint8Array } = {}): Corpus {
  mkdirSync(folder, { recursive: true });
  const paths = { train: join(folder, "train.txt"), valid: join(folder, "valid.txt") };
  writeFileSync(paths.train, contents.train ?? text(1500));
  writeFileSync(paths.valid, contents.valid ?? text(400, 7));
  return paths;
}

type Changes = Readonly<Record<string, unknown>>;

/** The sections that the recipes of a training and of a comparison have in common. */
export const tinySections = ({ train, valid }: Corpus) => ({
  data: { train: [train], valid: [valid] },
  tokenizer: { kind: "character" },
  network: { hidden: 16, layers: 1, heads: 2, conditioning: 8 },
  windows: [{ length: 16 }],
  batch: { tokens: 64 },
  optimizer: { kind: "adamw" },
  threads: 1,
  samples: { every: 100, steps: 4 },
  checkpoint: { every: 100 },
});

/** The plain recipe; `changes` are merged into its sections. */
export function plainRecipe(corpus: Corpus, changes: Changes = {}): Record<string, unknown> {
  return merge(
    {
      name: "tiny",
      ...tinySections(corpus),
      schedule: { steps: 4, warmup: 2 },
      validation: { every: 100, windows: 32 },
    },
    changes,
  );
}

export const tinyRecipe = (corpus: Corpus, changes: Changes = {}): Recipe => checkRecipe(plainRecipe(corpus, changes), "recipe");

function merge(base: Changes, changes: Changes): Record<string, unknown> {
  const isSection = (value: unknown): value is Changes => typeof value === "object" && value !== null && !Array.isArray(value);
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const old = base[key];
    result[key] = isSection(old) && isSection(value) && !("kind" in value && key === "tokenizer") ? merge(old, value) : value;
  }
  return result;
}

/** The bits of a float buffer, for comparisons that take −0 and 0 apart and NaN as itself. */
export const bits = (values: Float32Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A corpus, a recipe and where its run goes. */
export function setting(changes: Changes = {}): { folder: string; out: string; corpus: Corpus; recipe: Recipe } {
  const folder = temporaryFolder();
  const corpus = writeCorpus(join(folder, "data"));
  return { folder, out: join(folder, "run"), corpus, recipe: tinyRecipe(corpus, changes) };
}

/** The recipe with other steps. */
export const withSteps = (recipe: Recipe, steps: number): Recipe => ({ ...recipe, schedule: { ...recipe.schedule, steps } });

export const metricsOf = (out: string): Metric[] =>
  readFileSync(join(out, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Metric);

/** Metrics without the clock, and without whose it is: a run that was resumed says so again. */
export const timeless = (out: string): Metric[] =>
  metricsOf(out).flatMap((metric) => (metric.kind === "machine" ? [] : [{ ...metric, seconds: 0 }]));

/** A run's raw weights. */
export const parametersOf = async (out: string): Promise<Float32Array> => (await readModel(out, "raw")).parameters;

/** What a training fails with. */
export const failure = (options: TrainOptions): Promise<unknown> =>
  train(options).then(
    () => "no error",
    (error: unknown) => error,
  );

/** Expects a training to fail with a UserError of one line. */
export async function expectUserError(options: TrainOptions, message: RegExp): Promise<void> {
  const error = await failure(options);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toMatch(/\n/);
}
