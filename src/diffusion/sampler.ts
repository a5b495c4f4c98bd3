/**
 * The one sampling loop: any score, graph, noise, sampler, corrector and prompt. It starts all-MASK (absorb) or uniform with what is given in its place, makes the
 * stages of the sampler and then the final denoise, and yields a frame after each. What is given is in the text at every network call and never moves.
 */
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import { restrict, type Constraint } from "./constraints.ts";
import { checkCorrector, correctorStages, type CorrectorOptions } from "./corrector.ts";
import { departuresOf, type Departures } from "./departures.ts";
import { drawStage, type Batch, type Changes } from "./draw.ts";
import { firstHittingStages } from "./firsthitting.ts";
import type { Graph } from "./graph.ts";
import { gridNames, type GridName } from "./grid.ts";
import { leftToRightStages } from "./leftmost.ts";
import type { Noise } from "./noise.ts";
import { finalStage, gridStages, predictors, type Stage } from "./schedule.ts";
import type { ScoreModel } from "./score.ts";

export const samplerNames = ["analytic", "euler", "first-hitting", "left-to-right"] as const;
export type SamplerName = (typeof samplerNames)[number];

/** Steps of the time grid where none are given. */
export const defaultSteps = 128;

/** How each draw is made; all of it optional, and nothing of it changes the law unless it says so. */
export interface DrawOptions extends Departures {
  /** The times of the steps, default "linear"; first-hitting has none. */
  readonly grid?: GridName | undefined;
  /** Redraws tokens that are written already, after each predictor step. */
  readonly corrector?: CorrectorOptions | undefined;
}

export interface RunOptions extends DrawOptions {
  readonly noise: Noise;
  /** Default "analytic". */
  readonly sampler?: SamplerName | undefined;
  /** Positions of each sequence. */
  readonly length: number;
  /** K predictor steps (default {@link defaultSteps}); for first-hitting and left-to-right the most network calls (default: one per token). */
  readonly steps?: number | undefined;
  /** Sequences, default 1. Sequence i depends on (seed, i) alone. */
  readonly count?: number | undefined;
  readonly seed: number;
  /** [length] tokens, −1 at holes; the same for every sequence. Default: all holes. */
  readonly given?: Int32Array | undefined;
  /** Tokens allowed or forbidden at holes. */
  readonly constraints?: readonly Constraint[] | undefined;
  /** Sequences in one call of the score; default 64. */
  readonly maxRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Awaited in every step: a turn of the event loop, so that timers and signals are heard. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** The batch after a step. Arrays are the caller's own. */
export interface Frame {
  /** What made it: nothing yet, a step of the predictor, a call of the corrector, the final denoise. */
  readonly kind: "start" | Stage["kind"];
  /** Predictor steps done, 0 … steps. */
  readonly step: number;
  /** How many there will be. */
  readonly steps: number;
  /** Time and total noise reached; under first-hitting each sequence has its own clock, and this is the first one's. */
  readonly time: number;
  readonly sigma: number;
  /** [count·length] states. */
  readonly tokens: Int32Array;
  /** Flat indices into `tokens` that this step changed, ascending. */
  readonly changed: Int32Array;
  /** Aligned with `changed`: the probability that the step's law gave the state that was drawn. */
  readonly probability: Float64Array;
  /** Negative weights set to 0 in this step, of those computed. */
  readonly cut: number;
  /** Calls of the score so far. */
  readonly calls: number;
  /** After the final denoise: this is the result. */
  readonly done: boolean;
}

/** Samples; the last frame is the result. Wrong options are UserErrors (of the first frame); an abort throws the signal's reason. */
export async function* run(score: ScoreModel, options: RunOptions): AsyncGenerator<Frame, void, undefined> {
  const { graph } = score;
  const { noise, length, seed, sampler = "analytic", count = 1, maxRows = 64, signal, pause } = options;
  checkOptions(graph, options, sampler);
  const { given, allowed } = restrict(graph, options.given ?? new Int32Array(length).fill(-1), options.constraints ?? []);
  const departures = departuresOf(options, graph.vocabularySize);
  const holes = Int32Array.from([...given.keys()].filter((i) => given[i] === -1));
  const randoms = Array.from({ length: count }, (_, i) => random(seed, i));
  const targets = allowed.map((tokens) => ({ allowed: tokens?.table, departures }));
  const batch: Batch = { tokens: new Int32Array(count * length), length, holes, randoms, targets };
  const { tokens } = batch;
  randoms.forEach((stream, r) => {
    tokens.set(given, r * length);
    const start = graph.prior(holes.length, stream);
    holes.forEach((i, k) => {
      const own = graph.mask === undefined ? allowed[i]?.tokens : undefined;
      tokens[r * length + i] = own ? own[stream.integer(own.length)]! : start[k]!;
    });
  });

  const drawn =
    sampler === "first-hitting"
      ? firstHittingStages(graph, noise, holes, randoms, options.steps)
      : sampler === "left-to-right"
        ? leftToRightStages(graph, noise, holes, options.steps)
        : undefined;
  const steps = drawn?.length ?? options.steps ?? defaultSteps;
  const changesOf = (calls: number): Changes => ({ positions: [], probability: [], cut: 0, calls });
  const frame = ({ kind, step, time, sigma }: Pick<Frame, "kind" | "step" | "time" | "sigma">, changes: Changes): Frame => ({
    kind,
    step,
    steps,
    time,
    sigma,
    tokens: tokens.slice(),
    changed: new Int32Array(changes.positions),
    probability: new Float64Array(changes.probability),
    cut: changes.cut,
    calls: changes.calls,
    done: kind === "denoise",
  });
  signal?.throwIfAborted();
  let changes = changesOf(0);
  yield frame({ kind: "start", step: 0, time: 1, sigma: noise.sigma(1) }, changes);

  function* stages(): Generator<Stage> {
    const predicting = drawn ?? gridStages(predictors[sampler as keyof typeof predictors], graph, noise, steps, options.grid);
    for (const stage of predicting) {
      yield stage;
      if (options.corrector) yield* correctorStages(stage, graph, noise, holes, options.corrector, count);
    }
    yield finalStage(graph, noise, steps);
  }
  const own = score.forRun?.() ?? score;
  const leave = score.join?.();
  try {
    for (const stage of stages()) {
      changes = changesOf(changes.calls);
      for (let first = 0; first < count; first += maxRows) {
        signal?.throwIfAborted();
        await drawStage(own, stage, batch, first, Math.min(maxRows, count - first), changes);
        await pause?.();
      }
      yield frame(stage, changes);
    }
  } finally {
    leave?.();
  }
}

function checkOptions(graph: Graph, options: RunOptions, sampler: string): void {
  const whole = (name: string, value: number | undefined) => {
    if (value !== undefined && !(Number.isSafeInteger(value) && value >= 1))
      throw new UserError(`${name} must be a whole number of at least 1, got ${value}`);
  };
  if (!(samplerNames as readonly string[]).includes(sampler))
    throw new UserError(`unknown sampler "${sampler}"; there are ${samplerNames.join(", ")}`);
  whole("length", options.length);
  whole("steps", options.steps);
  whole("count", options.count);
  whole("maxRows", options.maxRows);
  if (options.grid !== undefined) {
    if (!gridNames.includes(options.grid)) throw new UserError(`unknown grid "${options.grid}"; there are ${gridNames.join(", ")}`);
    if (sampler === "first-hitting") throw new UserError(`grid "${options.grid}": first-hitting draws its own times; leave grid out`);
    if (sampler === "left-to-right") throw new UserError(`grid "${options.grid}": left-to-right has no times; leave grid out`);
  }
  if (options.corrector) checkCorrector(options.corrector);
  if (!Number.isSafeInteger(options.seed)) throw new UserError(`seed must be a whole number, got ${options.seed}`);
  const { given, length } = options;
  if (given && given.length !== length) throw new UserError(`what is given has ${given.length} positions, the length is ${length}`);
  given?.forEach((token, i) => {
    if (token < -1 || token >= graph.vocabularySize)
      throw new UserError(`token ${token} is given at position ${i}; tokens are 0 to ${graph.vocabularySize - 1} (−1 marks a hole)`);
  });
}
