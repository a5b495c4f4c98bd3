/** A comparison from recipe to report: train what is missing, measure what is not measured yet, write the report. Whatever is done already stays as it is. */
import { cores, exists, joinPath, lockFolder, makeFolder, readText } from "#platform";
import { readModel } from "../model.ts";
import { fingerprint } from "../objectives/fingerprint.ts";
import { fullWindows, seddModel } from "../objectives/sedd-model.ts";
import { UserError } from "../platform/errors.ts";
import type { CompileOptions } from "../tensor/index.ts";
import { UnknownCharacterError } from "../text/character.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import type { Metric } from "../training/train.ts";
import type { ComparisonRecipe } from "./comparison-recipe.ts";
import { comparisonReport, type Contender } from "./comparison-report.ts";
import { trainContestant, type Trained } from "./contestants.ts";
import { evaluate, measureNames, type Progress } from "./evaluate.ts";
import { loadJudge } from "./judge.ts";
import { measureTexts } from "./measures/generation.ts";
import { spread, type Ground } from "./measures/subject.ts";
import { judgeTexts } from "./measures/texts.ts";
import { type Contestant, type Report, reportSchema } from "./report/schema.ts";
import { writeReport } from "./report/write.ts";
import { openStore, parseOrNothing } from "./store.ts";

export interface ComparisonOptions {
  readonly recipe: ComparisonRecipe;
  /** A folder, made if missing: a run for each contestant, `judge`, `evaluation`, report.html and report.json. */
  readonly out: string;
  /** What was typed, for the report. */
  readonly command: string;
  /** The processor, in words. */
  readonly machine: string;
  readonly signal?: AbortSignal | undefined;
  /** A training begins, or is looked at: which one of how many. */
  readonly onTraining?: ((name: string, steps: number, place: Place) => void) | undefined;
  readonly onMetric?: ((metric: Metric) => void) | undefined;
  readonly onMeasure?: ((name: Contestant, progress: Progress, place: Place) => void) | undefined;
}

/** The how manieth of all. */
export interface Place {
  readonly done: number;
  readonly total: number;
}

/**
 * @returns the report, and whether it was written: one that says what the last one said stays
 * @throws the signal's reason; UserError for a folder in use or without write permission, a test text of less than two windows, a judge that will not do, and what
 *   training refuses
 */
export async function compareObjectives(options: ComparisonOptions): Promise<{ readonly report: Report; readonly written: boolean }> {
  await makeFolder(options.out);
  const unlock = await lockFolder(options.out);
  try {
    await checkBefore(options.recipe);
    const trained = await trainAll(options);
    const report = await measureAll(options, trained);
    return { report, written: await writeIfNew(options.out, report) };
  } finally {
    await unlock();
  }
}

const JUDGE = "judge";

/** What would otherwise be found wrong after hours of training. */
async function checkBefore({ contestants, judge, length, evaluation }: ComparisonRecipe): Promise<void> {
  const { tokenizer } = [...contestants.values()][0]!;
  if (typeof tokenizer === "string") await readTest(evaluation, await loadTokenizer(tokenizer), length);
  else await readText(evaluation.test);
  if (typeof judge === "string") await (await loadJudge(judge, {})).dispose();
}

async function trainAll({ recipe, out, signal, onTraining, onMetric }: ComparisonOptions): Promise<Map<Contestant, Trained>> {
  const { contestants, judge } = recipe;
  const total = contestants.size + Number(typeof judge !== "string");
  const trained = new Map<Contestant, Trained>();
  for (const [name, own] of contestants) {
    onTraining?.(name, own.schedule.steps, { done: trained.size + 1, total });
    trained.set(name, await trainContestant(own, joinPath(out, name), { signal, onMetric }));
  }
  if (typeof judge !== "string") {
    onTraining?.(JUDGE, judge.schedule.steps, { done: total, total });
    await trainContestant(judge, joinPath(out, JUDGE), { signal, onMetric });
  }
  return trained;
}

async function measureAll(options: ComparisonOptions, trained: ReadonlyMap<Contestant, Trained>): Promise<Report> {
  const { recipe, out, signal, onMeasure } = options;
  const { length, evaluation: settings } = recipe;
  const runtime: CompileOptions = { threads: [...recipe.contestants.values()][0]!.threads ?? cores(), spinning: false };
  const judge = await loadJudge(typeof recipe.judge === "string" ? recipe.judge : joinPath(out, JUDGE), runtime);
  try {
    const { data } = [...recipe.contestants.values()][0]!;
    const training = (await Promise.all(data.train.map(readText))).join("\n");
    const contenders = new Map<Contestant, Contender>();
    let ground: Ground | undefined;
    let human: Promise<readonly Float32Array[]> | undefined;
    const total = trained.size * measureNames.length;
    let done = 0;
    for (const [name, run] of trained) {
      const folder = joinPath(out, name);
      const { config, parameters, tokenizer } = await readModel(folder);
      const model = seddModel({ name: folder, config, parameters, tokenizer, runtime });
      try {
        ground ??= {
          ...{ settings, judge, length, signal },
          test: await readTest(settings, model.tokenizer, length),
          training: { text: training, fingerprint: await fingerprint(training) },
        };
        const { test } = ground;
        const featuresOfTest = () =>
          (human ??= judge
            .judge(
              spread(test.windows, settings.generation.least).map((window) => model.tokenizer.decode(window)),
              signal,
            )
            .then((texts) => texts.map(({ features }) => features)));
        const store = openStore(joinPath(out, "evaluation", name));
        const measured = await evaluate(
          { name, model, fingerprint: await fingerprint(parameters), store },
          ground,
          featuresOfTest,
          (progress) => onMeasure?.(name, progress, { done: ++done, total }),
        );
        contenders.set(name, { run, config, parameters: parameters.length, measured });
      } finally {
        await model.dispose();
      }
    }
    const tokenizer = await loadTokenizer(joinPath(out, [...trained.keys()][0]!, "tokenizer.json"));
    const reference = await measureReference(ground!, tokenizer, out);
    return await comparisonReport({ ...options, ground: ground!, contenders, reference });
  } finally {
    await judge.dispose();
  }
}

/** The test text's own windows as if a model had written them. */
function measureReference({ test, settings, judge, training, length, signal }: Ground, tokenizer: Tokenizer, out: string) {
  const { batch, generation } = settings;
  const key = { test: test.fingerprint, training: training.fingerprint, judge: judge.weights, batch, length, least: generation.least };
  return openStore(joinPath(out, "evaluation")).remember("test-text", key, async () => {
    const windows = spread(test.windows, generation.least);
    const texts = windows.map((window) => tokenizer.decode(window));
    const judged = await judgeTexts(judge, texts, signal);
    const all = texts.map((text, i) => ({ text, tokens: [...windows[i]!], judged: judged[i]! }));
    // Batches as the models', where there is text for one at least.
    const batches = Array.from({ length: Math.max(1, Math.floor(all.length / batch)) }, (_, b) => ({
      texts: all.slice(b * batch, (b + 1) * batch),
    }));
    return measureTexts(batches, training);
  });
}

async function readTest(
  { test: path, characters }: ComparisonRecipe["evaluation"],
  tokenizer: Tokenizer,
  length: number,
): Promise<Ground["test"]> {
  const whole = (await readText(path)).replace(/^\uFEFF/, ""); // a byte order mark is no text
  const text = characters === undefined ? whole : [...whole].slice(0, characters).join("");
  let tokens: Int32Array;
  try {
    tokens = tokenizer.encode(text);
  } catch (error) {
    throw error instanceof UnknownCharacterError ? error.within(path, 0) : error;
  }
  const windows = fullWindows(tokens, length);
  if (windows.length < 2)
    throw new UserError(`evaluation.test: ${path}: ${tokens.length} tokens are fewer than two windows of ${length}; give a longer text`);
  return { text, fingerprint: await fingerprint(text), windows };
}

async function writeIfNew(out: string, report: Report): Promise<boolean> {
  const path = joinPath(out, "report.json");
  if ((await exists(path)) && (await exists(joinPath(out, "report.html")))) {
    const last = reportSchema.safeParse(parseOrNothing(await readText(path)));
    if (last.success && JSON.stringify({ ...last.data, created: "" }) === JSON.stringify({ ...reportSchema.parse(report), created: "" }))
      return false;
  }
  await writeReport(out, report);
  return true;
}
