/** A comparison from recipe to report: train what is missing, measure what is not measured yet, write the report. Whatever is done already stays as it is. */
import { cores, exists, fileSize, joinPath, lockFolder, makeFolder, readText } from "#platform";
import { readModel } from "../model.ts";
import { fingerprint } from "../objectives/fingerprint.ts";
import { fullWindows, seddModel } from "../objectives/sedd-model.ts";
import { UserError } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";
import type { CompileOptions } from "../tensor/index.ts";
import { UnknownCharacterError } from "../text/character.ts";
import { END_OF_TEXT } from "../text/interface.ts";
import { fingerprint as tokenizerFingerprint, loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import type { Metric } from "../training/train.ts";
import type { ComparisonRecipe, Plan } from "./comparison-recipe.ts";
import { comparisonReport, type Contender } from "./comparison-report.ts";
import { checkRun, type Trained } from "./contestants.ts";
import { evaluate, measureNames, type Progress } from "./evaluate.ts";
import { loadJudge, type Judged } from "./judge.ts";
import { measureTexts, type MeasuredTexts } from "./measures/generation.ts";
import { spread, type Ground } from "./measures/subject.ts";
import type { JudgedText } from "./measures/texts.ts";
import { type Contestant, type Report, reportSchema } from "./report/schema.ts";
import { writeReport } from "./report/write.ts";
import { openStore, parseOrNothing } from "./store.ts";
import { trainingText } from "./training-text.ts";
import { trainInProcess } from "./training-process.ts";

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
  readonly onTrained?: ((name: string) => void) | undefined;
  readonly onMetric?: ((name: string, metric: Metric) => void) | undefined;
  /** How far the measurement under way is, in words. */
  readonly onStep?: ((name: Contestant, what: string) => void) | undefined;
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
    await checkBefore(options);
    const trained = await trainAll(options);
    const report = await measureAll(options, trained);
    return { report, written: await writeIfNew(options.out, report) };
  } finally {
    await unlock();
  }
}

const JUDGE = "judge";

/** What is to be trained, in the recipe's order, the judge last. */
const plansOf = ({ contestants, judge }: ComparisonRecipe): (readonly [string, Plan])[] => [
  ...contestants,
  ...(typeof judge === "string" ? [] : [[JUDGE, judge] as const]),
];

/** What would otherwise be found wrong after hours of training. */
async function checkBefore({ recipe, out }: ComparisonOptions): Promise<void> {
  const { common, judge, evaluation } = recipe;
  for (const path of [...common.data.train, ...common.data.valid]) await fileSize(path);
  if (typeof common.tokenizer === "string") await readTest(recipe, await loadTokenizer(common.tokenizer));
  else await readText(evaluation.test);
  if (typeof judge === "string") await (await loadJudge(judge, {})).dispose();
  for (const [name, plan] of plansOf(recipe)) await checkRun(plan, joinPath(out, name));
}

/** In the recipe's order, as many at once as there are cores for the threads of each. Where one fails, the others stop and are saved. */
async function trainAll({ recipe, out, signal, onTraining, onTrained, onMetric }: ComparisonOptions): Promise<Map<Contestant, Trained>> {
  const { contestants, common } = recipe;
  const plans = plansOf(recipe);
  const failed = new AbortController();
  const either = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const trained = new Map<string, Trained>();
  let begun = 0;
  const lane = async (): Promise<void> => {
    while (begun < plans.length) {
      either.throwIfAborted();
      const [name, plan] = plans[begun++]!;
      const place = { done: begun, total: plans.length };
      const result = await trainInProcess(plan, joinPath(out, name), {
        signal: either,
        onMetric: (metric) => onMetric?.(name, metric),
        onBegin: (steps) => onTraining?.(name, steps, place),
      });
      trained.set(name, result);
      onTrained?.(name);
    }
  };
  const lanes = Math.max(1, Math.floor(cores() / (common.threads ?? cores())));
  await Promise.all(Array.from({ length: lanes }, () => lane().catch((error: unknown) => failed.abort(error))));
  either.throwIfAborted();
  return new Map([...contestants.keys()].map((name) => [name, trained.get(name)!]));
}

async function measureAll(options: ComparisonOptions, trained: ReadonlyMap<Contestant, Trained>): Promise<Report> {
  const { recipe, out, machine, signal, onMeasure, onStep } = options;
  const { length, evaluation: settings, common } = recipe;
  const runtime: CompileOptions = { threads: cores(), spinning: false };
  const judge = await loadJudge(typeof recipe.judge === "string" ? recipe.judge : joinPath(out, JUDGE), runtime);
  try {
    const tokenizer = await commonTokenizer([...trained.keys()].map((name) => joinPath(out, name)));
    const ground: Ground = {
      ...{ settings, judge, length, machine, signal },
      test: await readTest(recipe, tokenizer),
      training: await trainingText(common.data.train, signal),
    };
    let judging: Promise<JudgedWindow[]> | undefined;
    const ofTest = () => (judging ??= judgeWindows(ground, tokenizer));
    const human = async () => (await ofTest()).map(({ judged }) => judged.features);
    const total = trained.size * measureNames.length;
    let done = 0;
    const contenders = new Map<Contestant, Contender>();
    for (const [name, run] of trained) {
      const folder = joinPath(out, name);
      const { config, parameters, tokenizer } = await readModel(folder);
      const model = seddModel({ name: folder, config, parameters, tokenizer, runtime });
      const subject = { name, model, fingerprint: await fingerprint(parameters), store: openStore(joinPath(out, "evaluation", name)) };
      const own = { ...ground, onStep: (what: string) => onStep?.(name, what) };
      const onProgress = (progress: Progress): void => onMeasure?.(name, progress, { done: ++done, total });
      try {
        contenders.set(name, { run, config, parameters: parameters.length, measured: await evaluate(subject, own, human, onProgress) });
      } finally {
        await model.dispose();
      }
    }
    return await comparisonReport({
      ...options,
      ground,
      contenders,
      reference: await measureReference(ground, ofTest, await tokenizerFingerprint(tokenizer), out),
    });
  } finally {
    await judge.dispose();
  }
}

/** Windows are tokens of one text to all models alike. */
async function commonTokenizer(folders: readonly string[]): Promise<Tokenizer> {
  const all = await Promise.all(folders.map((folder) => loadTokenizer(joinPath(folder, "tokenizer.json"))));
  const fingerprints = await Promise.all(all.map(tokenizerFingerprint));
  const other = fingerprints.findIndex((one) => one !== fingerprints[0]);
  if (other > 0) throw new UserError(`${folders[other]!}: has another tokenizer than ${folders[0]!}; train both with one`);
  return all[0]!;
}

type JudgedWindow = JudgedText & { readonly judged: Judged };

/** Windows of the test text, as many as texts are generated at least. */
async function judgeWindows({ test, settings, judge, signal }: Ground, tokenizer: Tokenizer): Promise<JudgedWindow[]> {
  const windows = spread(test.windows, settings.generation.least);
  const texts = windows.map((window) => tokenizer.decode(window));
  const judged = await judge.judge(texts, signal);
  return windows.map((window, i) => ({ text: texts[i]!, tokens: [...window], judged: judged[i]! }));
}

/** The test text's own windows as if a model had written them: in batches as the models', where they fill one at least. */
function measureReference(
  { test, settings, judge, training, length }: Ground,
  ofTest: () => Promise<readonly JudgedWindow[]>,
  tokenizer: string | undefined,
  out: string,
): Promise<MeasuredTexts> {
  const { batch, generation } = settings;
  const key = {
    test: test.fingerprint,
    tokenizer,
    training: training.fingerprint,
    judge: judge.weights,
    batch,
    length,
    least: generation.least,
  };
  return openStore(joinPath(out, "evaluation")).remember("test-text", key, async () => {
    const texts = await ofTest();
    const batches = Math.max(1, Math.floor(texts.length / batch));
    return measureTexts(
      Array.from({ length: batches }, (_, b) => ({ texts: texts.slice(b * batch, (b + 1) * batch) })),
      training,
    );
  });
}

async function readTest({ evaluation, common, length }: ComparisonRecipe, tokenizer: Tokenizer): Promise<Ground["test"]> {
  const { test: path, characters } = evaluation;
  const { separator } = common.data;
  const whole = withoutMark(await readText(path));
  const beginning = characters === undefined ? whole : [...whole].slice(0, characters).join("");
  // As models were trained: between two documents stands the end-of-text token, spelled out here.
  const documents = separator === undefined ? [beginning] : beginning.split(separator).filter((document) => document !== "");
  const text = documents.join(END_OF_TEXT);
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
