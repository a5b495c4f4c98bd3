/**
 * Trained networks whose world is enumerable: three tokens, three positions, trained for seconds on draws of the fixture's p0, so that claims about
 * trained models (a bound is above −log p, a sampler follows its score) can be compared with exact sums over all texts.
 */
import { networkScore, type NetworkScore } from "../../src/objectives/sedd-score.ts";
import { seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random, type Random } from "../../src/platform/random.ts";
import { lossRunner } from "../../src/training/loss.ts";
import { createOptimizer, type TrainingState } from "../../src/training/optimizer.ts";
import { checkRecipe, type Recipe } from "../../src/training/recipe.ts";
import { learningRateFactor } from "../../src/training/schedule.ts";
import { golden } from "./fixtures.ts";
import { space } from "./oracle.ts";

const VOCABULARY = 3;
const LENGTH = 3;

export type TinyKind = "absorb normalized" | "absorb score" | "uniform score";
export const tinyKinds: readonly TinyKind[] = ["absorb normalized", "absorb score", "uniform score"];

export interface TinyModel {
  readonly config: SeddConfig;
  /** Answers for sequences of three positions. Dispose of it. */
  readonly score: NetworkScore;
  /** The moving average that `score` reads, flat. */
  readonly parameters: Float32Array;
  /** The law that it was trained on, over the 27 sequences of `space(3, 3)`. */
  readonly p0: Float64Array;
}

export interface TinyOptions {
  readonly noise?: SeddConfig["noise"];
  /** Updates with 128 sequences each; 500, the default, take about two seconds and end 0.2 nats a sequence above the entropy. */
  readonly steps?: number;
  readonly seed?: number;
}

/** Trains with the objective, loss program and optimizer of `sedd train`. The same options give the same bits. */
export async function trainTinyModel(
  kind: TinyKind,
  { noise = { kind: "loglinear", eps: 1e-3 }, steps = 500, seed = 1 }: TinyOptions = {},
): Promise<TinyModel> {
  const [graph, parameterization] = kind.split(" ") as [SeddConfig["graph"], SeddConfig["parameterization"]];
  const isAbsorb = graph === "absorb";
  const config: SeddConfig = {
    network: { states: VOCABULARY + Number(isAbsorb), hidden: 16, layers: 1, heads: 2, conditioning: 16, dropout: 0 },
    graph,
    noise,
    parameterization,
    scaleBySigma: isAbsorb,
  };
  const p0 = golden("enumerable.safetensors").float64("p0");
  const runtime = { threads: 1, spinning: false };
  const objective = seddObjective(config);
  const { layout } = objective;
  const shape = { batch: 128, length: LENGTH };
  const { optimizer: settings, schedule } = recipeOf(steps, shape.batch * LENGTH);
  const parameters = objective.initialize(random(seed, 0));
  const state: TrainingState = { parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() };
  const [losses, optimizer] = [lossRunner(objective, runtime), await createOptimizer(layout, settings, objective.isHiddenMatrix, runtime)];
  const gradients = layout.allocate();
  const draws = sequencesOf(p0);
  for (let step = 1; step <= steps; step++) {
    const stream = random(seed, 1, step);
    const batch = draws(shape.batch, stream);
    await losses.run(parameters, objective.corrupt(batch, shape, stream, true), shape, gradients);
    await optimizer.update(state, gradients, { step, factor: learningRateFactor(schedule, step), scale: 1 / batch.length, emaDecay: 0.98 });
  }
  await Promise.all([losses.dispose(), optimizer.dispose()]);
  return { config, parameters: state.ema, p0, score: networkScore(config, state.ema, runtime) };
}

/** The optimizer's defaults come from the recipe's schema. */
const recipeOf = (steps: number, tokens: number): Recipe =>
  checkRecipe(
    {
      name: "tiny",
      data: { train: ["p0"], valid: ["p0"] },
      tokenizer: { kind: "character" },
      network: { hidden: 16, layers: 1, heads: 2 },
      windows: [{ length: LENGTH }],
      batch: { tokens },
      optimizer: { kind: "adamw", learningRate: 4e-3 },
      schedule: { steps, warmup: 20, decay: "linear", decayFrom: 0.3 },
    },
    "tiny-model",
  );

/** Draws sequences from a law over them, by its inverse distribution function. */
function sequencesOf(law: Float64Array): (count: number, stream: Random) => Int32Array {
  const states = space(VOCABULARY, LENGTH);
  let sum = 0;
  const reached = law.map((p) => (sum += p));
  return (count, stream) => {
    const out = new Int32Array(count * LENGTH);
    for (let i = 0; i < count; i++) {
      const u = stream.uniform() * sum;
      out.set(states.at(reached.findIndex((total) => u < total)), i * LENGTH);
    }
    return out;
  };
}
