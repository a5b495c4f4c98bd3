/**
 * Where a run begins: from fresh parameters, from another model's (fine-tuning), or from its own checkpoint. Everything that can be wrong is found
 * here, before the folder's description of the run is written.
 */
import { baseName, exists, joinPath, writeFileAtomic } from "#platform";
import { stringify } from "yaml";
import type { Objective } from "../objectives/objective.ts";
import { writeSeddConfig } from "../objectives/sedd-config.ts";
import { objectiveOf } from "../objectives/objective-of.ts";
import type { SeddConfig } from "../objectives/sedd.ts";
import { readYaml } from "../formats/yaml.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import { windowSampler, type WindowSampler } from "../text/batches.ts";
import type { TokenSource } from "../text/source.ts";
import { fingerprint, loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { CHECKPOINT, readCheckpoint, type Checkpoint } from "./checkpoint.ts";
import { type DataOptions, prepareData, prepareTokenizer } from "./data.ts";
import { dropMetricsAfter } from "./metrics.ts";
import { workingBuffers } from "./optimizer.ts";
import { checkRecipe, configOf, lengthOf, type Recipe } from "./recipe.ts";
import { valueAt } from "./recipe-errors.ts";

/** What a fine-tuned run begins with. */
export interface StartingPoint {
  /** In the layout of the recipe's network. */
  readonly parameters: Float32Array;
  /** The model's tokenizer.json; left out, the recipe's tokenizer counts. */
  readonly tokenizer?: unknown;
  /** The model's configuration: networks of other heads, say, can have as many parameters. */
  readonly config?: SeddConfig;
}

export interface Run {
  readonly tokenizer: Tokenizer;
  readonly config: SeddConfig;
  readonly objective: Objective;
  readonly valid: TokenSource;
  readonly sampler: WindowSampler;
  readonly begin: Checkpoint;
  /** Beside the state's buffers in memory. */
  readonly gradients: Float32Array;
}

export interface BeginOptions extends Omit<DataOptions, "given"> {
  readonly from?: StartingPoint | undefined;
}

const INITIAL_STREAM = 0x696e6974;

/** Prepares the texts and reads or makes the state. Of what is in the folder, only texts that have changed are written. */
export async function beginRun({ recipe, out, resume, from, signal, onPreparing }: BeginOptions): Promise<Run> {
  if (resume) await checkSameRun(recipe, out);
  const options = { recipe, out, resume, given: from?.tokenizer, signal, onPreparing };
  const tokenizer = await prepareTokenizer(options);
  const config = configOf(recipe, tokenizer.size);
  const objective = objectiveOf(config);
  if (from && !resume) checkStart(from, config, objective.layout.size);
  const data = await prepareData(tokenizer, options);
  const stored = resume ? await readCheckpoint(out, objective.layout.size) : fresh();
  // The state is held once, where the optimizer works on it.
  const { state, gradients } = workingBuffers(stored.state);
  const begin = { ...stored, state };
  if (begin.seed !== recipe.seed) throw notThisRun("seed", recipe.seed, begin.seed, out);
  const sampler = windowSampler(data.train, begin.data);
  return { tokenizer, valid: data.valid, config, objective, sampler, begin, gradients };

  function fresh(): Checkpoint {
    const { layout } = objective;
    const parameters = from ? from.parameters.slice() : objective.initialize(random(recipe.seed, INITIAL_STREAM));
    const place = windowSampler(data.train, recipe.seed).state();
    const state = { parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() };
    return { state, step: 0, tokens: 0, seconds: 0, seed: recipe.seed, data: place };
  }
}

/** Writes what makes the folder a model and what it is trained by, and drops metrics of steps that are still to come. */
export async function describeRun({ tokenizer, config, begin }: Run, recipe: Recipe, out: string): Promise<void> {
  if (begin.step === 0) await writeFileAtomic(joinPath(out, "tokenizer.json"), `${JSON.stringify(tokenizer.toJSON(), null, 1)}\n`);
  const model = writeSeddConfig({ sedd: config, length: lengthOf(recipe) });
  await writeFileAtomic(joinPath(out, "config.json"), `${JSON.stringify(model, null, 2)}\n`);
  // In blocks, a text of blanks and line ends would lose some.
  await writeFileAtomic(joinPath(out, "recipe.yaml"), stringify(recipe, { blockQuote: false }));
  await dropMetricsAfter(out, begin.step);
}

/** A model to begin with must have the recipe's network. */
function checkStart({ parameters, config: given }: StartingPoint, config: SeddConfig, size: number): void {
  // The graph first: with another one the states differ too.
  const other =
    given &&
    (difference(config.graph, given.graph, "graph") ??
      difference(config.network, { ...given.network, dropout: config.network.dropout }, "network"));
  if (other) {
    throw new UserError(
      `--from: the model's ${other.key} is ${show(other.b)}, the recipe's ${show(other.a)}; make graph, network and tokenizer agree`,
    );
  }
  if (parameters.length !== size) {
    throw new UserError(
      `--from: the model has ${parameters.length} parameters, the recipe's network ${size}; make network and tokenizer agree`,
    );
  }
}

/** The sections that make a run what it is; the others (schedule, batch, rates, windows, validation …) may change when it goes on. */
const fixedKeys = [["objective"], ["network"], ["optimizer", "kind"], ["seed"], ["data", "separator"]] as const;

/** UserError where a recipe is another than that of the run in a folder, but for what may change. */
export async function checkSameRun(recipe: Recipe, out: string): Promise<void> {
  const path = joinPath(out, "recipe.yaml");
  if (!(await exists(path))) return;
  const stored = await readYaml(path);
  for (const keys of fixedKeys) {
    const other = difference(valueAt(recipe, keys), valueAt(stored, keys), keys.join("."));
    if (other) throw notThisRun(other.key, other.a, other.b, out);
  }
  const begun = valueAt(stored, ["tokenizer"]);
  if (!difference(recipe.tokenizer, begun, "")) return;
  if (typeof recipe.tokenizer !== "string" || !(await sameTokenizer(recipe.tokenizer, out)))
    throw notThisRun("tokenizer", recipe.tokenizer, begun, out);
}

async function sameTokenizer(path: string, out: string): Promise<boolean> {
  const [given, own] = await Promise.all([path, joinPath(out, "tokenizer.json")].map(async (one) => fingerprint(await loadTokenizer(one))));
  return given === own;
}

/** Sections that change nothing of what a run learns, and the tokenizer, which is the same if its tokens are. */
const asideKeys = ["name", "samples", "checkpoint", "tokenizer"];

/**
 * For runs that are to be compared: UserError where a recipe is another than that of the run in a folder in anything but its name, its samples, how often it is saved,
 * and where its texts lie.
 *
 * @param free keys that may differ besides
 */
export async function checkSameTraining(recipe: Recipe, out: string, free: readonly string[] = []): Promise<void> {
  await checkSameRun(recipe, out);
  const path = joinPath(out, "recipe.yaml");
  // Under the same name may lie another tokenizer by now.
  if (typeof recipe.tokenizer === "string" && !(await sameTokenizer(recipe.tokenizer, out)))
    throw new UserError(
      `tokenizer: ${recipe.tokenizer} is another one by now than the run in ${out} was begun with; bring that back, or train in another folder`,
    );
  // Read as a recipe, so that a key that is newer than the run has its default.
  const stored = checkRecipe(await readYaml(path), path);
  const wherever = ({ data, ...rest }: Recipe) => ({
    ...rest,
    data: { ...data, train: data.train.map(baseName), valid: data.valid.map(baseName) },
  });
  const isFree = (key: string): boolean => [...asideKeys, ...free].some((one) => key === one || key.startsWith(`${one}.`));
  const other = differences(wherever(recipe), wherever(stored)).find(({ key }) => !isFree(key));
  if (other) throw notThisRun(other.key, other.a, other.b, out);
}

export const notThisRun = (key: string, given: unknown, own: unknown, out: string): UserError =>
  new UserError(
    `${key}: ${show(given)}, but the run in ${out} (${CHECKPOINT}) was begun with ${show(own)}; resume with that, or begin another run`,
  );

const show = (value: unknown): string => (value === undefined ? "none" : JSON.stringify(value));

interface Difference {
  readonly key: string;
  readonly a: unknown;
  readonly b: unknown;
}

/** The first leaf in which two plain values differ. */
const difference = (a: unknown, b: unknown, key: string): Difference | undefined => differences(a, b, key)[0];

/** The leaves in which two plain values differ. */
function differences(a: unknown, b: unknown, key = ""): Difference[] {
  const isSection = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
  if (!isSection(a) || !isSection(b)) return a === b ? [] : [{ key, a, b }];
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return names.flatMap((name) => differences(a[name], b[name], key === "" ? name : `${key}.${name}`));
}
