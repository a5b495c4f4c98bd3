/**
 * A recorded run: how every sequence began, and each change of a token since, with the probability that the step's law gave it. Recording listens to the
 * frames of a run and replaying yields them again, without a network. As a file: trajectory-file.ts.
 */
import type { Graph } from "./graph.ts";
import type { NoiseConfig } from "./noise.ts";
import type { Template } from "./template.ts";

/** One sequence after a step: what a run tells, and what a replay yields. */
export interface TrajectoryFrame {
  /** Which of the run's sequences this is. */
  readonly sequence: number;
  /** Predictor steps done, of `steps`; the final denoise, which is not counted, is at time 0. */
  readonly step: number;
  readonly steps: number;
  /** Of the call that the step belongs to. Under first-hitting each sequence has times of its own, and these are those of sequence 0. */
  readonly time: number;
  readonly sigma: number;
  readonly tokens: number[];
  /** Positions that this step changed. */
  readonly changed: number[];
  /** Aligned with `changed`: the probability that the step's law gave the token that was drawn. */
  readonly probability: number[];
}

/** A change of one token. */
export interface Change {
  readonly step: number;
  readonly time: number;
  readonly sequence: number;
  readonly position: number;
  readonly token: number;
  readonly probability: number;
}

/** What was run: enough to run it again. */
export interface RunDescription {
  /** Version of the package. */
  readonly package: string;
  /** The model's name, as `load` takes it. */
  readonly model: string;
  /** How it was loaded, where not by default. */
  readonly device?: string | undefined;
  readonly weights?: string | undefined;
  readonly verb: "sample" | "infill";
  /** Of an infill. */
  readonly template?: Template | undefined;
  /** The options of the call as plain data: seed, steps, sampler, length, prompt and whatever else was given. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly graph: Pick<Graph, "kind" | "vocabularySize">;
  readonly noise: NoiseConfig;
}

export interface Trajectory {
  readonly run: RunDescription;
  /** Every frame's place on the way, the beginning (step 0) and the final denoise included, and how many of `changes` it made. */
  readonly frames: readonly { readonly step: number; readonly time: number; readonly sigma: number; readonly changes: number }[];
  /** The states that each sequence began with. */
  readonly start: readonly (readonly number[])[];
  /** Frame by frame. */
  readonly changes: readonly Change[];
  /** What came out: of each sequence. */
  readonly tokens: readonly (readonly number[])[];
  readonly texts: readonly string[];
}

/** Collects the frames of a run. */
export interface FrameCollector {
  /** To be called with every frame of every sequence, in order; its arrays are copied where they are kept. */
  add(frame: TrajectoryFrame): void;
  /** The recorded run; `texts` are those of its sequences. */
  trajectory(run: RunDescription, texts: readonly string[]): Trajectory;
}

export function collectFrames(): FrameCollector {
  const frames: { step: number; time: number; sigma: number; changes: Change[] }[] = [];
  const start: number[][] = [];
  const last: number[][] = [];
  const seen: number[] = [];
  return {
    add({ sequence, step, time, sigma, tokens, changed, probability }) {
      const k = (seen[sequence] = (seen[sequence] ?? -1) + 1);
      if (k === 0) start[sequence] = [...tokens];
      const frame = (frames[k] ??= { step, time, sigma, changes: [] });
      if (frame.step !== step || frame.time !== time)
        throw new Error(
          `a trajectory: sequence ${sequence} is at step ${step}, time ${time} where others are at ${frame.step}, ${frame.time}`,
        );
      changed.forEach((position, j) =>
        frame.changes.push({ step, time, sequence, position, token: tokens[position]!, probability: probability[j]! }),
      );
      last[sequence] = tokens;
    },
    trajectory: (run, texts) => ({
      run,
      frames: frames.map(({ changes, ...place }) => ({ ...place, changes: changes.length })),
      start,
      changes: frames.flatMap(({ changes }) => changes),
      tokens: last.map((tokens) => [...tokens]),
      texts,
    }),
  };
}

/**
 * The frames of one sequence of a recorded run, as they came.
 *
 * @param sequence which one, from 0; there are `trajectory.start.length`
 * @example for (const frame of replayTrajectory(parseTrajectory(text, "run.jsonl"))) console.log(frame.step, frame.changed);
 */
export function* replayTrajectory({ frames, start, changes }: Trajectory, sequence = 0): Generator<TrajectoryFrame, void, undefined> {
  const tokens = start[sequence]?.slice();
  if (!tokens) throw new RangeError(`replayTrajectory: there is no sequence ${sequence}; the run has ${start.length}`);
  const steps = frames.at(-1)!.step;
  let next = 0;
  for (const { step, time, sigma, changes: count } of frames) {
    const own = changes.slice(next, (next += count)).filter((change) => change.sequence === sequence);
    for (const { position, token } of own) tokens[position] = token;
    yield {
      sequence,
      step,
      steps,
      time,
      sigma,
      tokens: tokens.slice(),
      changed: own.map(({ position }) => position),
      probability: own.map(({ probability }) => probability),
    };
  }
}
