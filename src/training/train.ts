/** The training loop: batch → corruption → gradients → update, with validation, samples and checkpoints at their intervals. */
import { cores, exists, joinPath, lockFolder, machine, macrotask, makeFolder } from "#platform";
import { noiseFrom } from "../diffusion/noise.ts";
import { run } from "../diffusion/sampler.ts";
import { readModelConfig, weightsIn } from "../formats/hub.ts";
import { readSeddConfig } from "../objectives/sedd-config.ts";
import { samplerOf } from "../objectives/sedd-sample.ts";
import { networkScore } from "../objectives/sedd-score.ts";
import type { BatchShape } from "../objectives/objective.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import type { CompileOptions } from "../tensor/index.ts";
import { drawWindow } from "../text/batches.ts";
import { beginRun, describeRun, type BeginOptions, type Run } from "./begin.ts";
import { CHECKPOINT, hasCheckpoint, removeAborted, writeCheckpoint } from "./checkpoint.ts";
import { lossRunner } from "./loss.ts";
import { appendMetric, metricsAt, type Metric } from "./metrics.ts";
import { createOptimizer } from "./optimizer.ts";
import { lengthOf, type Recipe, windowsAt } from "./recipe.ts";
import { learningRateFactor } from "./schedule.ts";
import { createValidation } from "./validation.ts";

export { configOf } from "./recipe.ts";
export type { Metric } from "./metrics.ts";

/**
 * `out`: the run's folder, made if missing. `resume`: go on from its checkpoint. `from`: parameters to begin with, read by a fresh run only.
 * `signal`: stops after the step under way, and saves; while texts are still being prepared, it rejects with its reason.
 */
export interface TrainOptions extends BeginOptions {
  readonly onMetric?: ((metric: Metric) => void) | undefined;
  /** A checkpoint of this step is on the disk. */
  readonly onCheckpoint?: ((step: number) => void) | undefined;
  /** A line for the user, such as that there is nothing left to do. */
  readonly onNotice?: ((message: string) => void) | undefined;
}

export interface TrainResult {
  readonly step: number;
  /** The signal stopped the run before its last step, or that step's validation and samples; its state is saved. */
  readonly interrupted: boolean;
}

const STEP_STREAM = 0x73746570;

/**
 * Trains, or goes on training, in a folder of its own. Resuming is exact: the same processor, threads and runtime give the same bits, unless the optimizer's vector
 * loops (passes-simd.ts) find no memory on one side.
 *
 * @throws UserError for a folder in use, a checkpoint or a model that is in the way, missing or of another run, texts that do not do, a full disk, and a
 *   loss that is not finite (then the last checkpoint is as it was)
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { out, resume } = options;
  const checkFolder = async (): Promise<void> => {
    if (resume === true && !(await hasCheckpoint(out)))
      throw new UserError(`--out ${out}: no ${CHECKPOINT} to resume from; leave out --resume to begin`);
    if (resume === true) return;
    if (await hasCheckpoint(out))
      throw new UserError(`--out ${out}: holds a checkpoint already; give --resume to go on with it, or another folder`);
    const weights = await weightsIn(out);
    if (weights !== undefined) throw new UserError(`--out ${out}: holds a model already (${weights}); give another folder`);
    if (!(await mayDescribe(out)))
      throw new UserError(`--out ${out}: holds a config.json that is no model's, and would be lost; give another folder`);
  };
  await checkFolder(); // before a folder is made for nothing
  await makeFolder(out);
  const unlock = await lockFolder(out);
  try {
    await checkFolder();
    await removeAborted(out);
    const begun = await beginRun(options);
    const { step } = begun.begin;
    const { steps } = options.recipe.schedule;
    const recorded = resume === true ? await metricsAt(out, step) : [];
    const left = outstanding(options.recipe, step, recorded);
    if (step > steps || (step === steps && !left.validation && left.seeds.length === 0)) {
      options.onNotice?.(`nothing to do: the run in ${out} is at step ${step} of ${steps}; raise schedule.steps to go on`);
      return { step, interrupted: false };
    }
    await describeRun(begun, options.recipe, out);
    return await loop(begun, options, left);
  } finally {
    await unlock();
  }
}

/** Whether a folder's config.json is missing, or what a run that died before its first checkpoint has left. */
async function mayDescribe(folder: string): Promise<boolean> {
  if (!(await exists(joinPath(folder, "config.json")))) return true;
  try {
    readSeddConfig(await readModelConfig(folder), folder);
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}

/** What a step brings about beside its update. */
interface Outstanding {
  readonly validation: boolean;
  /** Of samples. */
  readonly seeds: readonly number[];
}

/** What is due after a step and not among its metrics, as an interruption leaves it. */
export function outstanding({ schedule, validation, samples }: Recipe, step: number, recorded: readonly Metric[] = []): Outstanding {
  const due = (every: number): boolean => step > 0 && (step % every === 0 || step === schedule.steps);
  const drawn = new Set(recorded.flatMap((metric) => (metric.kind === "sample" ? [metric.seed] : [])));
  return {
    validation: due(validation.every) && !recorded.some(({ kind }) => kind === "validation"),
    seeds: due(samples.every) ? Array.from({ length: samples.count }, (_, seed) => seed).filter((seed) => !drawn.has(seed)) : [],
  };
}

/** Of the forward passes that this step and later ones may make. */
const shapesFrom = ({ windows, batch }: Recipe, step: number): BatchShape[] =>
  windows.filter(({ until = Infinity }) => until >= step).map(({ length, tokens = batch.tokens }) => ({ batch: tokens / length, length }));

/** @param left of the step that a resumed run begins from */
async function loop(
  { tokenizer, config, objective, valid, sampler, begin, gradients }: Run,
  { recipe, out, signal, onMetric, onCheckpoint, onNotice }: TrainOptions,
  left: Outstanding,
): Promise<TrainResult> {
  const { layout } = objective;
  const { state, seed } = begin;
  const { steps } = recipe.schedule;
  const { accumulate } = recipe.batch;
  const length = lengthOf(recipe);
  const threads = recipe.threads ?? cores();
  const runtime: CompileOptions = { threads, spinning: true, flushDenormals: true };
  const disposables: { dispose(): Promise<void> }[] = [];
  const own = <T extends { dispose(): Promise<void> }>(value: T): T => {
    disposables.push(value);
    return value;
  };
  const partial = accumulate > 1 ? layout.allocate() : gradients;
  let { step, tokens } = begin;
  const started = performance.now();
  const seconds = (): number => begin.seconds + (performance.now() - started) / 1000;
  const record = async (metric: Metric): Promise<void> => {
    await appendMetric(out, metric);
    onMetric?.(metric);
  };

  /** The last report was. */
  let cut = false;
  let saved = step;
  const save = async (): Promise<void> => {
    if (!Object.values(state).every((buffer: Float32Array) => buffer.every(Number.isFinite)))
      throw await diverged(`step ${step}: the weights are not finite`);
    await writeCheckpoint(out, { state, step, tokens, seconds: seconds(), seed, data: sampler.state() });
    saved = step;
    onCheckpoint?.(step);
  };
  const diverged = async (what: string): Promise<UserError> => {
    const path = joinPath(out, CHECKPOINT);
    const stored = await hasCheckpoint(out);
    const kept = stored ? `the last good checkpoint, ${path}, is of step ${saved}` : "there is no checkpoint yet";
    const rates = recipe.optimizer.kind === "muon" ? "optimizer.muonLearningRate or optimizer.learningRate" : "optimizer.learningRate";
    return new UserError(`${what}; ${kept}; lower ${rates}${stored ? " and --resume" : ""}`);
  };

  try {
    const optimizer = own(await createOptimizer(layout, recipe.optimizer, objective.isHiddenMatrix, runtime));
    const losses = own(lossRunner(objective, runtime));
    const validation = own(await createValidation(objective, config, valid, { windows: recipe.validation.windows, length, seed }, runtime));
    const score = own(networkScore(config, state.ema, runtime));

    /** The summed gradient of a step's forward passes, in `gradients`; returns the summed loss and the tokens. */
    const differentiate = async (number: number, shape: BatchShape): Promise<{ sum: number; count: number }> => {
      // Times are stratified over the whole step: pass m of n has the strata m, m + n, m + 2n … of all.
      const u = random(seed, STEP_STREAM, number).uniform();
      let [sum, count] = [0, 0];
      for (let pass = 0; pass < accumulate; pass++) {
        const batch = await sampler.nextBatch(shape.batch, shape.length);
        const corruption = objective.corrupt(batch, shape, random(seed, STEP_STREAM, number, pass), true, (pass + u) / accumulate);
        sum += await losses.run(state.parameters, corruption, shape, pass === 0 ? gradients : partial);
        if (pass > 0) for (let i = 0; i < gradients.length; i++) gradients[i]! += partial[i]!;
        count += batch.length;
      }
      return { sum, count };
    };
    const drawSamples = async (seeds: readonly number[]): Promise<void> => {
      const noise = noiseFrom(config.noise);
      const sampler = samplerOf(config);
      // Left to right there is a step a token.
      const steps = sampler === "left-to-right" ? undefined : recipe.samples.steps;
      for (const seed of seeds) {
        let last: Int32Array | undefined;
        for await (const frame of run(score, { noise, length, sampler, steps, seed, signal, pause: macrotask }))
          if (frame.done) last = frame.tokens;
        if (last) await record({ kind: "sample", step, seed, text: tokenizer.decode(last) });
      }
    };
    /** An interruption may cut it short: the step is done, and is saved; what is missing then is made up for when the run goes on. */
    const report = async ({ validation: isDue, seeds }: Outstanding): Promise<void> => {
      cut = true;
      try {
        if (isDue) {
          const bound = await validation.bound(state.ema, { signal, pause: macrotask });
          if (Number.isFinite(bound.natsPerToken))
            await record({ kind: "validation", step, tokens, seconds: seconds(), measure: objective.measure, ...bound });
          else onNotice?.(`step ${step}: the validation ${objective.measure} is ${bound.natsPerToken} nats a token, and not recorded`);
        }
        await drawSamples(seeds);
        cut = false;
      } catch (error) {
        if (!signal?.aborted || error !== signal.reason) throw error;
      }
    };

    if (step < steps) await record({ kind: "machine", step, machine: machine(), threads });
    await report(left);
    while (step < steps && !signal?.aborted) {
      const number = step + 1;
      await losses.keep(shapesFrom(recipe, number));
      const { length: windowTokens, tokens: passTokens = recipe.batch.tokens } = drawWindow(windowsAt(recipe, number), seed, number);
      const { sum, count } = await differentiate(number, { batch: passTokens / windowTokens, length: windowTokens });
      const factor = learningRateFactor(recipe.schedule, number);
      const norm = Number.isFinite(sum)
        ? await optimizer.update(state, gradients, { step: number, factor, scale: 1 / count, emaDecay: recipe.ema })
        : NaN;
      if (!Number.isFinite(norm))
        throw await diverged(`step ${number}: the loss is ${sum / count} a token and its gradient's norm ${norm}`);
      step = number;
      tokens += count;
      const learningRate = recipe.optimizer.learningRate * factor;
      await record({
        kind: "step",
        step,
        tokens,
        seconds: seconds(),
        loss: sum / count,
        gradientNorm: norm,
        learningRate,
        length: windowTokens,
      });
      // First saved, then looked at: what is missing of a report, a run that goes on makes up for, but not steps that were lost.
      if (step % recipe.checkpoint.every === 0 || step === steps) await save();
      await report(outstanding(recipe, step));
      await macrotask();
    }
    if (saved !== step || !(await hasCheckpoint(out))) await save();
  } finally {
    await Promise.all(disposables.map((value) => value.dispose()));
  }
  return { step, interrupted: cut || step < steps };
}
