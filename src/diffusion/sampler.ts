/**
 * The one sampling loop: any score, graph, noise, sampler and prompt. It starts all-MASK (absorb) or uniform with what is given in its place, makes the
 * stages of the sampler and then the final denoise, and yields a frame after each. What is given is in the text at every network call and never moves.
 */
import { UserError } from "../platform/errors.ts";
import { random, type Random } from "../platform/random.ts";
import { firstHittingStages } from "./firsthitting.ts";
import type { Graph } from "./graph.ts";
import { drawTarget, mayLeave } from "./law.ts";
import type { Noise } from "./noise.ts";
import { finalStage, gridStages, predictors, type Stage } from "./schedule.ts";
import type { ScoreModel } from "./score.ts";

export const samplerNames = ["analytic", "euler", "first-hitting"] as const;
export type SamplerName = (typeof samplerNames)[number];

/** Steps of the time grid where none are given. */
export const defaultSteps = 128;

export interface RunOptions {
  readonly noise: Noise;
  /** Default "analytic". */
  readonly sampler?: SamplerName | undefined;
  /** Positions of each sequence. */
  readonly length: number;
  /** K predictor steps (default {@link defaultSteps}); for first-hitting the most network calls (default: one per event). */
  readonly steps?: number | undefined;
  /** Sequences, default 1. Sequence i depends on (seed, i) alone. */
  readonly count?: number | undefined;
  readonly seed: number;
  /** [length] tokens, −1 at holes; the same for every sequence. Default: all holes. */
  readonly given?: Int32Array | undefined;
  /** Sequences in one call of the score; default 64. */
  readonly maxRows?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Awaited after every call of the score: a turn of the event loop, so that timers and signals are heard. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** The batch after a step. Arrays are the caller's own. */
export interface Frame {
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
  const given = options.given ?? new Int32Array(length).fill(-1);
  checkOptions(graph, options, sampler, given);
  const randoms = Array.from({ length: count }, (_, i) => random(seed, i));
  const holes = Int32Array.from([...given.keys()].filter((i) => given[i] === -1));

  const tokens = new Int32Array(count * length);
  randoms.forEach((stream, r) => {
    tokens.set(given, r * length);
    const start = graph.prior(holes.length, stream);
    holes.forEach((i, k) => (tokens[r * length + i] = start[k]!));
  });

  const stages: Stage[] =
    sampler === "first-hitting"
      ? firstHittingStages(graph, noise, holes, randoms, options.steps)
      : [...gridStages(predictors[sampler], graph, noise, options.steps ?? defaultSteps)];
  const steps = stages.length;
  stages.push(finalStage(graph, noise, steps));

  let calls = 0;
  const frame = (at: Pick<Stage, "step" | "time" | "sigma">, changed: number[], cut: number, done: boolean): Frame => ({
    step: at.step,
    steps,
    time: at.time,
    sigma: at.sigma,
    tokens: tokens.slice(),
    changed: Int32Array.from(changed),
    cut,
    calls,
    done,
  });
  signal?.throwIfAborted();
  yield frame({ step: 0, time: 1, sigma: noise.sigma(1) }, [], 0, false);

  for (const [k, stage] of stages.entries()) {
    const changed: number[] = [];
    let cut = 0;
    for (let first = 0; first < count; first += maxRows) {
      signal?.throwIfAborted();
      const rows = Math.min(maxRows, count - first);
      const positions = movable(graph, tokens, stage, holes, length, first, rows);
      if (positions.length === 0) continue; // nothing can change: no call
      const chunk = tokens.subarray(first * length, (first + rows) * length);
      const sigma = typeof stage.asked === "number" ? new Float64Array(rows).fill(stage.asked) : stage.asked.slice(first, first + rows);
      cut += await move(score, stage, chunk, sigma, positions, randoms, first, changed);
      calls++;
      await pause?.();
    }
    yield frame(stage, changed, cut, k === steps);
  }
}

/** The positions of a chunk of rows that a stage may change, as indices into the chunk. */
function movable(
  graph: Graph,
  tokens: Int32Array,
  stage: Stage,
  holes: Int32Array,
  length: number,
  first: number,
  rows: number,
): Int32Array {
  const out: number[] = [];
  for (let r = 0; r < rows; r++) {
    const row = (first + r) * length;
    for (const i of stage.positions?.[first + r] ?? holes) if (graph.limit(tokens[row + i]!) > 0) out.push(r * length + i);
  }
  return Int32Array.from(out);
}

/** As many log-scores as are asked for at once (8 MiB of float32). */
const rowEntries = 2 ** 21;

/**
 * One draw at each of `positions` in a chunk of rows, in place: does it move (one number per position), then where to (one more per position that does).
 * Every sequence uses its own stream in its own order. Adds to `changed`; returns how many weights were cut at 0.
 */
async function move(
  score: ScoreModel,
  { law }: Stage,
  chunk: Int32Array,
  sigma: Float64Array,
  positions: Int32Array,
  randoms: readonly Random[],
  first: number,
  changed: number[],
): Promise<number> {
  const { states } = law.graph;
  const length = chunk.length / sigma.length;
  const answer = await score.evaluate(chunk, sigma, positions);
  const sums = law.leaves ? undefined : await answer.sums();
  const rowOf = (j: number) => first + Math.floor(positions[j]! / length);
  const place = (j: number) => `sequence ${rowOf(j)}, position ${positions[j]! % length}`;
  let cut = 0;
  const uniforms = new Float64Array(positions.length);
  const leaving: number[] = [];
  for (let j = 0; j < positions.length; j++) {
    const sum = sums?.[j] ?? 0;
    if (!(sum < Infinity)) throw new Error(`the scores at ${place(j)} sum to ${sum}`);
    const u = law.leaves ? 0 : randoms[rowOf(j)]!.uniform();
    uniforms[j] = u;
    if (law.stay(sum) < 0) cut++;
    if (mayLeave(law, u, sum)) leaving.push(j);
  }
  const piece = Math.max(1, Math.floor(rowEntries / states));
  for (let start = 0; start < leaving.length; start += piece) {
    const which = Int32Array.from(leaving.slice(start, start + piece));
    const rows = await answer.rows(which);
    which.forEach((j, k) => {
      const position = positions[j]!;
      const x = chunk[position]!;
      const drawn = drawTarget(law, x, rows, k * states, uniforms[j]!, sums?.[j] ?? 0, randoms[rowOf(j)]!);
      if (drawn.state === -1) throw new Error(`every token has probability zero at ${place(j)}`);
      cut += drawn.cut;
      if (drawn.state === x) return;
      chunk[position] = drawn.state;
      changed.push(first * length + position);
    });
  }
  return cut;
}

function checkOptions(graph: Graph, options: RunOptions, sampler: string, given: Int32Array): void {
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
  if (!Number.isSafeInteger(options.seed)) throw new UserError(`seed must be a whole number, got ${options.seed}`);
  if (given.length !== options.length) throw new UserError(`what is given has ${given.length} positions, the length is ${options.length}`);
  given.forEach((token, i) => {
    if (token < -1 || token >= graph.vocabularySize)
      throw new UserError(`token ${token} is given at position ${i}; tokens are 0 to ${graph.vocabularySize - 1} (−1 marks a hole)`);
  });
}
