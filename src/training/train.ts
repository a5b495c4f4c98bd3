/** The training loop: batch → corruption → gradients → update, with validation, samples and checkpoints at their intervals. */
import { appendLine, exists, joinPath, lockFolder, macrotask, makeFolder, cores, writeFileAtomic } from "#platform";
import { stringify } from "yaml";
import { absorb } from "../diffusion/absorb.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { run } from "../diffusion/sampler.ts";
import { writeSeddConfig } from "../objectives/sedd-config.ts";
import { networkScore } from "../objectives/sedd-score.ts";
import { seddObjective, type SeddConfig } from "../objectives/sedd.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import type { CompileOptions } from "../tensor/index.ts";
import { windowLength, windowSampler } from "../text/batches.ts";
import { readCheckpoint, writeCheckpoint, CHECKPOINT, type Checkpoint } from "./checkpoint.ts";
import { prepareData } from "./data.ts";
import { lossRunner } from "./loss.ts";
import { createOptimizer } from "./optimizer.ts";
import { lengthOf, type Recipe } from "./recipe.ts";
import { learningRateFactor } from "./schedule.ts";
import { createValidation } from "./validation.ts";

/** One line of metrics.jsonl. */
export type Metric =
  | {
      readonly kind: "step";
      readonly step: number;
      readonly tokens: number;
      readonly seconds: number;
      /** Nats a token on this batch, t ≥ 1e-3: noisy, and no bound. */
      readonly loss: number;
      readonly gradientNorm: number;
      readonly learningRate: number;
      readonly length: number;
    }
  | {
      readonly kind: "validation";
      readonly step: number;
      readonly tokens: number;
      readonly seconds: number;
      readonly natsPerToken: number;
      readonly standardError: number;
    }
  | { readonly kind: "sample"; readonly step: number; readonly seed: number; readonly text: string };

export interface TrainOptions {
  readonly recipe: Recipe;
  /** The run's folder; made if missing. */
  readonly out: string;
  readonly resume?: boolean;
  /** Parameters to begin with (fine-tuning), in the layout of the recipe's network. */
  readonly from?: { readonly parameters: Float32Array; readonly tokenizer?: unknown };
  readonly signal?: AbortSignal;
  readonly onMetric?: (metric: Metric) => void;
  readonly onCheckpoint?: (step: number) => void;
}

export interface TrainResult {
  readonly step: number;
  /** The signal stopped the run; its state is saved. */
  readonly interrupted: boolean;
}

const STEP_STREAM = 0x73746570;
const INITIAL_STREAM = 0x696e6974;

/** The network that a recipe describes, once its vocabulary is known. */
export function configOf(recipe: Recipe, vocabularySize: number): SeddConfig {
  const { network, objective } = recipe;
  return {
    network: { ...network, states: vocabularySize + 1 },
    noise: objective.noise,
    parameterization: objective.parameterization,
    scaleBySigma: objective.scaleBySigma,
  };
}

/** Trains, or goes on training, in a folder of its own. Resuming is exact: the same processor, threads and runtime give the same bits. */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { out } = options;
  await makeFolder(out);
  const unlock = await lockFolder(out);
  try {
    if (!options.resume && (await exists(joinPath(out, CHECKPOINT)))) {
      throw new UserError(`--out ${out}: holds a checkpoint already; give --resume to go on with it, or another folder`);
    }
    return await trainIn(options);
  } finally {
    await unlock();
  }
}

async function trainIn({ recipe, out, resume, from, signal, onMetric, onCheckpoint }: TrainOptions): Promise<TrainResult> {
  const { tokenizer, train: trainTokens, valid } = await prepareData(recipe, out, from?.tokenizer);
  const config = configOf(recipe, tokenizer.size);
  const objective = seddObjective(config);
  const { layout } = objective;
  const runtime: CompileOptions = { threads: recipe.threads ?? cores(), spinning: true };
  const length = lengthOf(recipe);
  await writeFileAtomic(joinPath(out, "config.json"), `${JSON.stringify(writeSeddConfig({ sedd: config, length }), null, 2)}\n`);
  await writeFileAtomic(joinPath(out, "recipe.yaml"), stringify(recipe));

  const begin = resume ? await readCheckpoint(out, layout.size) : freshState();
  const { state, seed } = begin;
  let { step, tokens } = begin;
  function freshState(): Checkpoint {
    if (from && from.parameters.length !== layout.size) {
      throw new UserError(
        `--from: the model has ${from.parameters.length} parameters, the recipe's network ${layout.size}; make network and tokenizer agree`,
      );
    }
    const parameters = from ? from.parameters.slice() : objective.initialize(random(recipe.seed, INITIAL_STREAM));
    const data = windowSampler(trainTokens, recipe.seed).state();
    return {
      state: { parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() },
      step: 0,
      tokens: 0,
      seconds: 0,
      seed: recipe.seed,
      data,
    };
  }

  const sampler = windowSampler(trainTokens, begin.data);
  const optimizer = await createOptimizer(layout, recipe.optimizer, objective.isHiddenMatrix, runtime);
  const losses = lossRunner(objective, runtime);
  const validation = await createValidation(objective, config, valid, { windows: recipe.validation.windows, length, seed }, runtime);
  const score = networkScore(config, state.ema, runtime);
  const gradients = layout.allocate();
  const partial = recipe.batch.accumulate > 1 ? layout.allocate() : gradients;
  const started = performance.now();
  const seconds = (): number => begin.seconds + (performance.now() - started) / 1000;
  const record = async (metric: Metric): Promise<void> => {
    await appendLine(joinPath(out, "metrics.jsonl"), JSON.stringify(metric));
    onMetric?.(metric);
  };
  let saved = step;
  const save = async (): Promise<void> => {
    await writeCheckpoint(out, { state, step, tokens, seconds: seconds(), seed, data: sampler.state() });
    saved = step;
    onCheckpoint?.(step);
  };

  /** The summed gradient of a step's batches, in `gradients`; returns the summed loss and the tokens. */
  const accumulate = async (rows: number, windowTokens: number, number: number): Promise<{ sum: number; count: number }> => {
    let [sum, count] = [0, 0];
    for (let micro = 0; micro < recipe.batch.accumulate; micro++) {
      const batch = await sampler.nextBatch(rows, windowTokens);
      const shape = { batch: rows, length: windowTokens };
      const corruption = objective.corrupt(batch, shape, random(seed, STEP_STREAM, number, micro), true);
      sum += await losses.run(state.parameters, corruption, shape, micro === 0 ? gradients : partial);
      if (micro > 0) for (let i = 0; i < gradients.length; i++) gradients[i]! += partial[i]!;
      count += batch.length;
    }
    return { sum, count };
  };

  try {
    while (step < recipe.schedule.steps && !signal?.aborted) {
      const number = step + 1;
      const windowTokens = windowLength(recipe.windows, seed, number);
      const { sum, count } = await accumulate(recipe.batch.tokens / windowTokens, windowTokens, number);
      const factor = learningRateFactor(recipe.schedule, number);
      const finite = Number.isFinite(sum);
      const norm = finite
        ? await optimizer.update(state, gradients, { step: number, factor, scale: 1 / count, emaDecay: recipe.ema })
        : NaN;
      if (!finite || !Number.isFinite(norm)) {
        const kept = (await exists(joinPath(out, CHECKPOINT)))
          ? `the last good checkpoint is of step ${saved}`
          : "there is no checkpoint yet";
        throw new UserError(
          `step ${number}: the loss is ${sum} and its gradient's norm ${norm}; ${kept}; lower optimizer.learningRate and --resume`,
        );
      }
      step = number;
      tokens += count;
      const due = (every: number): boolean => step % every === 0 || step === recipe.schedule.steps;
      await record({
        kind: "step",
        step,
        tokens,
        seconds: seconds(),
        loss: sum / count,
        gradientNorm: norm,
        learningRate: recipe.optimizer.learningRate * factor,
        length: windowTokens,
      });
      if (due(recipe.validation.every))
        await record({ kind: "validation", step, tokens, seconds: seconds(), ...(await validation.bound(state.ema)) });
      if (due(recipe.samples.every)) await drawSamples();
      if (due(recipe.checkpoint.every)) await save();
      await macrotask();
    }
    if (saved !== step || (step === 0 && signal?.aborted)) await save();
  } finally {
    await Promise.all([optimizer.dispose(), losses.dispose(), validation.dispose(), score.dispose()]);
  }
  return { step, interrupted: signal?.aborted ?? false };

  async function drawSamples(): Promise<void> {
    const { count, steps } = recipe.samples;
    const noise = noiseFrom(config.noise);
    for (let i = 0; i < count; i++) {
      let last: Int32Array = new Int32Array(length).fill(absorb(tokenizer.size).mask);
      for await (const frame of run(score, { noise, length, steps, seed: i, signal, pause: macrotask })) last = frame.tokens;
      await record({ kind: "sample", step, seed: i, text: tokenizer.decode(last) });
    }
  }
}
