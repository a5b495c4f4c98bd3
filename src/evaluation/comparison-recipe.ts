/**
 * The recipe of a comparison: one training recipe for all contestants, in which the objective is all that differs, a judge, and how much is measured. An unknown or
 * wrong key is an error that names it.
 */
import { z } from "zod";
import { readYaml } from "../formats/yaml.ts";
import { UserError } from "../platform/errors.ts";
import { describeIssues } from "../training/recipe-errors.ts";
import { drawWindow } from "../text/batches.ts";
import { checkLongest, checkRecipe, lengthOf, type Recipe, windowsAt } from "../training/recipe.ts";
import { type Contestant, contestantNames } from "./report/schema.ts";

const count = z.int().positive();
/** Of a mean over so many there is an error. */
const several = z.int().min(2);
/** Noisy copies, repetitions, or batches of texts, whose spread is an error that can be relied on: that of two may be any. */
const REPLICATES = 8;
const replicates = z.int().min(REPLICATES);
const BATCHES = 4;
const relative = z.number().positive().lt(1);
const section = <T extends z.ZodRawShape>(shape: T) => z.strictObject(shape);

const evaluation = section({
  /** The text that models are measured on, UTF-8. */
  test: z.string().min(1),
  /** Only its beginning, in code points; left out, all of it. */
  characters: count.optional(),
  /** Copies are doubled from `least` on until the standard error is below this share of the value, or there are `most`. */
  likelihood: section({
    least: replicates.default(REPLICATES),
    most: several.default(64),
    error: relative.default(0.005),
  }).prefault({}),
  /** Texts of one call of the sampler, which is what a seed gives: samples of seed s are its first `batch`. */
  batch: several.default(4),
  /** Texts are written until the perplexity's standard error is below this share of it, or there are `most`. `steps`: default the length. */
  generation: section({
    steps: count.optional(),
    least: several.default(128),
    most: several.default(256),
    error: relative.default(0.02),
  }).prefault({}),
  /** Numbers of steps, default 4, 8, 16 … 4 × the length; texts of each as above. */
  quality: section({
    steps: z.array(count).min(1).optional(),
    least: several.default(16),
    most: several.default(64),
    error: relative.default(0.03),
  }).prefault({}),
  mauve: section({ repetitions: replicates.default(10), clusters: several.optional() }).prefault({}),
  /** Windows whose middle third is taken out, and noisy copies of each. */
  infilling: section({ windows: several.default(64), samples: replicates.default(REPLICATES) }).prefault({}),
  masked: section({
    rates: z.array(z.number().positive().max(1)).min(1).default([0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]),
    windows: several.default(128),
  }).prefault({}),
  /** Texts in the report. */
  samples: count.default(4),
});
export type EvaluationSettings = z.infer<typeof evaluation>;

/** Keys of a training recipe, which its own schema checks. */
const written = z.looseObject({});
const schedule = z.looseObject({ tokens: count.optional(), minutes: z.number().positive().optional() });
const schema = section({
  /** A training recipe's sections but for name and objective; the schedule has tokens or minutes in place of steps. */
  training: z.looseObject({
    network: z.looseObject({}),
    batch: z.looseObject({ tokens: count, accumulate: count.default(1) }),
    schedule,
  }),
  /** The models to compare, each with what its objective has besides, such as a parameterization. */
  contestants: z.partialRecord(z.enum(contestantNames), written),
  /** A model's folder or name, or how our own `ar` model for it differs from `training`: more tokens, a wider network. */
  judge: z.union([
    z.string().min(1),
    z.strictObject({ schedule: schedule.default({}), network: written.default({}), seed: count.optional() }),
  ]),
  evaluation,
  /** What readers of the clock should know, such as that the machine was shared. */
  note: z.string().min(1).optional(),
});
type Written = z.infer<typeof schema>;

const objectives = {
  "sedd-absorb": { kind: "sedd", graph: "absorb" },
  "sedd-uniform": { kind: "sedd", graph: "uniform" },
  mlm: { kind: "mlm" },
  ardm: { kind: "ardm" },
  ar: { kind: "ar" },
  "sedd-l2": { kind: "sedd", graph: "absorb", loss: "l2" },
} as const satisfies Record<Contestant, object>;

/** A run to train: as far as its recipe says, or for so many minutes. */
export interface Plan {
  readonly recipe: Recipe;
  readonly minutes?: number | undefined;
}

export interface ComparisonRecipe {
  /** In the order of every table. */
  readonly contestants: ReadonlyMap<Contestant, Plan>;
  /** A model's folder or name, or what to train. */
  readonly judge: string | Plan;
  /** What the contestants have in common: texts, seed, threads, validation. */
  readonly common: Pick<Recipe, "data" | "tokenizer" | "seed" | "threads" | "validation">;
  /** Of every window, in tokens. */
  readonly length: number;
  readonly evaluation: EvaluationSettings;
  /** As it was read, defaults included. */
  readonly written: Written;
}

/** @throws UserError that names what is wrong */
export async function readComparison(path: string): Promise<ComparisonRecipe> {
  const raw = await readYaml(path);
  const result = schema.safeParse(raw);
  if (!result.success) throw new UserError(`${path}: ${describeIssues(result.error.issues, raw, schema)}`);
  const { training, contestants, judge, evaluation } = result.data;
  const names = contestantNames.filter((name) => contestants[name]);
  if (names.length === 0) throw new UserError(`${path}: contestants: none; give at least one of ${contestantNames.join(", ")}`);
  for (const key of ["generation", "quality"] as const)
    if (evaluation[key].least < BATCHES * evaluation.batch)
      throw new UserError(
        `${path}: evaluation.${key}.least: ${evaluation[key].least} will not do; an error needs ${BATCHES} batches, ${BATCHES * evaluation.batch} texts, at least`,
      );
  for (const key of ["likelihood", "generation", "quality"] as const)
    if (evaluation[key].least > evaluation[key].most)
      throw new UserError(
        `${path}: evaluation.${key}.least: ${evaluation[key].least} is above most, ${evaluation[key].most}; raise most too`,
      );
  for (const key of ["name", "objective"])
    if (key in training)
      throw new UserError(`${path}: training.${key}: will not do; contestants have their own, and its keys stand under contestants`);
  const plans = new Map(names.map((name) => [name, planOf(path, name, training, objectiveOf(path, name, contestants[name]!))] as const));
  const common = plans.get(names[0]!)!.recipe;
  return {
    contestants: plans,
    judge: typeof judge === "string" ? judge : planOf(path, "judge", withChanges(training, judge), objectives.ar),
    common,
    length: lengthOf(common),
    evaluation,
    written: result.data,
  };
}

/** A contestant's objective: what it is, and further keys of its own, none of which makes another of it. */
function objectiveOf(path: string, name: Contestant, further: z.infer<typeof written>): { readonly kind: string } {
  const own: Readonly<Record<string, string>> = objectives[name];
  const fixed: Readonly<Record<string, string>> = own["kind"] === "sedd" ? { loss: "score-entropy", ...own } : own;
  for (const [key, value] of Object.entries(further))
    if (key in fixed && value !== fixed[key])
      throw new UserError(
        `${path}: contestants.${name}.${key}: ${JSON.stringify(value)} would make another contestant of it; leave it out`,
      );
  return { ...further, ...objectives[name] };
}

/** A judge that is trained by tokens is so among contestants that are trained by the clock, and the other way round. */
const withChanges = (
  training: Written["training"],
  { schedule, network, seed }: Exclude<Written["judge"], string>,
): Written["training"] => {
  const { tokens, minutes, ...times } = training.schedule;
  const amount = "tokens" in schedule || "minutes" in schedule ? {} : { tokens, minutes };
  return {
    ...training,
    schedule: { ...times, ...amount, ...schedule },
    network: { ...training.network, ...network },
    ...(seed === undefined ? {} : { seed }),
  };
};

/** The least steps, by whose clock a run of so many minutes is planned. */
export const TIMED_STEPS = 30;

function planOf(path: string, name: string, training: Written["training"], objective: { readonly kind: string }): Plan {
  const where = `${path}: training (${name})`;
  const { network, batch, schedule, ...rest } = training;
  const { tokens, minutes, ...times } = schedule;
  const { conditioning: _, ...withoutNoise } = network;
  if ("steps" in times)
    throw new UserError(`${where}: schedule.steps: ${String(times.steps)} will not do; give tokens or minutes in its place`);
  if ((tokens === undefined) === (minutes === undefined))
    throw new UserError(
      `${where}: schedule: ${tokens === undefined ? "neither tokens nor minutes" : "both tokens and minutes"}; give one of them`,
    );
  const withSteps = (steps: number): Recipe =>
    checkRecipe(
      { name, ...rest, objective, network: objective.kind === "sedd" ? network : withoutNoise, batch, schedule: { ...times, steps } },
      where,
    );
  const timed = withSteps(TIMED_STEPS);
  if (tokens === undefined && timed.windows.every(({ until }) => until !== undefined))
    throw new UserError(`${where}: windows: all end, and how many steps the minutes are is not known beforehand; leave one without until`);
  if (tokens === undefined) return { recipe: timed, minutes };
  const recipe = withSteps(stepsFor(tokens, timed));
  checkLongest(recipe, where);
  return { recipe, minutes };
}

/** The fewest steps that see so many tokens: passes of some windows may have a size of their own. */
function stepsFor(tokens: number, recipe: Recipe): number {
  const { batch, seed, windows } = recipe;
  if (windows.every((window) => window.tokens === undefined)) return Math.ceil(tokens / (batch.tokens * batch.accumulate));
  let [step, seen] = [0, 0];
  for (; seen < tokens; step++) {
    const allowed = windowsAt(recipe, step + 1);
    // What is wrong with the windows, the recipe of as many steps will say.
    if (allowed.length === 0) return step + 1;
    seen += (drawWindow(allowed, seed, step + 1).tokens ?? batch.tokens) * batch.accumulate;
  }
  return step;
}
