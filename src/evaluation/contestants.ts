/** The trainings of a comparison: each objective in a folder of its own, by the same `train` as `sedd train`, begun, gone on with, or done already. */
import { exists, joinPath, makeFolder, readText, writeFileAtomic } from "#platform";
import { UserError } from "../platform/errors.ts";
import { checkSameTraining, notThisRun } from "../training/begin.ts";
import { hasCheckpoint, readProgress } from "../training/checkpoint.ts";
import { METRICS, type Metric } from "../training/metrics.ts";
import { checkRecipe, type Recipe } from "../training/recipe.ts";
import { train } from "../training/train.ts";
import { type Plan, TIMED_STEPS } from "./comparison-recipe.ts";
import { isFinishedRun, PLAN } from "./finished-run.ts";
import type { Given, Model } from "./report/schema.ts";

export interface TrainingOptions {
  readonly signal?: AbortSignal | undefined;
  /** A training begins or goes on, or is found done, of so many steps in all. */
  readonly onBegin?: ((steps: number) => void) | undefined;
  readonly onMetric?: ((metric: Metric) => void) | undefined;
}

/** How a training ended. */
export interface Trained {
  readonly tokens: number;
  /** Of its steps, had nothing else had the machine, as are the curve's. */
  readonly seconds: number;
  readonly curve: Omit<Given<Model["curve"]>, "protocol">;
  /** Whose seconds these are; none where an older run did not write it down. */
  readonly machines: readonly string[];
}

/** UserError where a folder holds the run of another recipe, in whatever key, or one that ended early and cannot go on. */
export async function checkRun({ recipe, minutes }: Plan, out: string): Promise<void> {
  const finished = await isFinishedRun(out);
  if (!finished && !(await hasCheckpoint(out))) return;
  // How many steps the minutes are, the run itself says; while it finds out, its learning rate does not fall.
  await checkSameTraining(recipe, out, minutes === undefined ? [] : ["schedule.steps", "schedule.decay"]);
  await checkPlan({ recipe, minutes }, out);
  if (!finished || minutes !== undefined) return;
  const { step } = lastStep(await readMetrics(out));
  const { steps } = recipe.schedule;
  if (step < steps)
    throw new UserError(
      `${out}: a run that ended at step ${step} of ${steps}, without a checkpoint to go on from; give the whole run, or train in another folder`,
    );
}

/** What stands in a run's plan; of a run of so many tokens its recipe says all. */
const planned = ({ recipe, minutes }: Plan): { readonly minutes?: number; readonly decay?: string } =>
  minutes === undefined ? {} : { minutes, decay: recipe.schedule.decay };

async function checkPlan(plan: Plan, out: string): Promise<void> {
  const path = joinPath(out, PLAN);
  const [own, begun] = [planned(plan), (await exists(path)) ? (JSON.parse(await readText(path)) as ReturnType<typeof planned>) : {}];
  for (const key of ["minutes", "decay"] as const)
    if (own[key] !== begun[key]) throw notThisRun(`schedule.${key}`, own[key], begun[key], out);
}

/**
 * Trains as far as the plan says; a run that has come so far, or is finished, is left as it is.
 *
 * @throws the signal's reason once the run is saved; UserError for a folder in use or one of another recipe
 */
export async function trainContestant({ recipe, minutes }: Plan, out: string, options: TrainingOptions): Promise<Trained> {
  await checkRun({ recipe, minutes }, out);
  if (await isFinishedRun(out)) options.onBegin?.(lastStep(await readMetrics(out)).step);
  else {
    const steps = minutes === undefined ? recipe.schedule.steps : await stepsWithin(minutes, recipe, out, options);
    // Of so many steps, the windows are looked at for the first time.
    await trainTo(checkRecipe({ ...recipe, schedule: { ...recipe.schedule, steps } }, out), out, options);
  }
  const metrics = await readMetrics(out);
  const { step, tokens } = lastStep(metrics);
  const clock = undisturbedClock(metrics);
  return { tokens, seconds: clock(step), curve: curveOf(metrics, clock), machines: [...new Set(machinesOf(metrics))] };
}

async function trainTo(recipe: Recipe, out: string, { signal, onBegin, onMetric }: TrainingOptions): Promise<void> {
  onBegin?.(recipe.schedule.steps);
  const { interrupted } = await train({ recipe, out, resume: await hasCheckpoint(out), signal, onMetric });
  if (interrupted) signal?.throwIfAborted();
}

/** The steps that a run makes in so many minutes, by the clock of its first ones, which it keeps: asked again, the same. */
async function stepsWithin(minutes: number, recipe: Recipe, out: string, options: TrainingOptions): Promise<number> {
  await makeFolder(out);
  await writeFileAtomic(joinPath(out, PLAN), `${JSON.stringify(planned({ recipe, minutes }))}\n`);
  if (!(await hasCheckpoint(out)) || (await readProgress(out)).step < TIMED_STEPS)
    await trainTo({ ...recipe, schedule: { ...recipe.schedule, steps: TIMED_STEPS, decay: "none" } }, out, options);
  // The first steps compile programs.
  const timed = stepsOf(await readMetrics(out)).filter(({ step }) => step >= TIMED_STEPS / 2 && step <= TIMED_STEPS);
  const [first, last] = [timed[0], timed.at(-1)];
  const perStep = (last!.seconds - first!.seconds) / (last!.step - first!.step);
  return TIMED_STEPS + Math.max(0, Math.round((60 * minutes - last!.seconds) / perStep));
}

/** Of a run's steps, the share that counts as undisturbed: a pause, or other work on the machine, makes a step longer; nothing makes one shorter. */
export const UNDISTURBED = 0.1;

/**
 * Seconds of training at a step that the metrics tell of, had nothing disturbed it: each step as long as the slowest undisturbed one of its kind, which is its window's
 * length, its tokens and its machine. One that the metrics lack counts as one like the next.
 */
export function undisturbedClock(metrics: readonly Metric[]): (step: number) => number {
  const lengths = new Map<string, number[]>();
  const seen: { readonly step: number; readonly missing: number; readonly kind: string }[] = [];
  let before = { step: 0, tokens: 0, seconds: 0 };
  let machine = "";
  for (const metric of metrics) {
    if (metric.kind === "machine") machine = machineOf(metric);
    if (metric.kind !== "step") continue;
    const { step, tokens, seconds, length } = metric;
    const steps = step - before.step;
    const kind = `${length} ${Math.round((tokens - before.tokens) / steps)} ${machine}`;
    if (!lengths.has(kind)) lengths.set(kind, []);
    if (steps === 1) lengths.get(kind)!.push(seconds - before.seconds);
    seen.push({ step, missing: steps, kind });
    before = { step, tokens, seconds };
  }
  const quantile = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(UNDISTURBED * values.length)]!;
  const paces = new Map([...lengths].map(([kind, values]) => [kind, values.length > 0 ? quantile(values) : undefined]));
  const anyPace = quantile([...lengths.values()].flat());
  const clock = new Map<number, number>();
  let total = 0;
  for (const { step, missing, kind } of seen) clock.set(step, (total += missing * (paces.get(kind) ?? anyPace)));
  return (step) => clock.get(step)!;
}

/** The validations of a run, in their order. */
function curveOf(metrics: readonly Metric[], clock: (step: number) => number): Trained["curve"] {
  const validations = metrics.filter((metric) => metric.kind === "validation");
  return {
    kind: validations[0]!.measure,
    points: validations.map(({ step, tokens, natsPerToken, standardError }) => ({
      tokens,
      seconds: clock(step),
      natsPerToken: { value: natsPerToken, standardError },
    })),
  };
}

const machineOf = ({ machine, threads }: Extract<Metric, { kind: "machine" }>): string =>
  `${machine}, ${threads} thread${threads > 1 ? "s" : ""}`;
const machinesOf = (metrics: readonly Metric[]): string[] =>
  metrics.flatMap((metric) => (metric.kind === "machine" ? [machineOf(metric)] : []));
const stepsOf = (metrics: readonly Metric[]) => metrics.filter((metric) => metric.kind === "step");
const lastStep = (metrics: readonly Metric[]) => stepsOf(metrics).at(-1)!;

const readMetrics = async (out: string): Promise<Metric[]> =>
  (await readText(joinPath(out, METRICS)))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Metric);
