/**
 * What the HTTP thread and a model's worker say to each other: jobs go in, events come out. Plain data that survives a structured clone. Who waits for
 * whom is not here (host.ts), nor what a job does (engine.ts).
 */
import type { Template } from "../diffusion/template.ts";
import type { Change } from "../diffusion/trajectory.ts";
import type { LoadOptions, Model } from "../model.ts";
import type {
  LawsOptions,
  Likelihood,
  LikelihoodOptions,
  PositionLaw,
  Ranking,
  SampleFrame,
  SampleOptions,
  Score,
  ScoreOptions,
} from "../objectives/sedd-model.ts";

/** Texts to write. */
export interface GenerateJob extends Pick<SampleOptions, "length" | "steps" | "sampler" | "temperature" | "topK" | "topP"> {
  readonly kind: "generate";
  readonly template: Template;
  readonly count: number;
  readonly seed: number;
  /** What is told while it runs: nothing, text that will not change any more, or the whole text after each step that changed it. */
  readonly show: "end" | "settled" | "snapshots";
  /** The whole run is kept: its file comes with the result, and snapshots leave out no step. */
  readonly record?: boolean | undefined;
  /** What is told of the text: all of it, or what stands in holes; this alone ends at an end-of-text token. */
  readonly region: "all" | "holes";
}

/** A probability query. */
export interface ScoreJob extends Pick<ScoreOptions, "samples" | "seed" | "top" | "length"> {
  readonly kind: "score";
  readonly template: string;
  readonly candidates?: readonly (string | readonly string[])[] | undefined;
}

/** The bound on −log p of a text. */
export interface LikelihoodJob extends Pick<LikelihoodOptions, "samples" | "seed"> {
  readonly kind: "likelihood";
  readonly text: string;
}

/** The laws of clean tokens at positions of a noisy text. */
export interface LawsJob extends Pick<LawsOptions, "positions" | "top"> {
  readonly kind: "laws";
  readonly tokens: readonly number[];
  readonly sigma: number;
}

/** A text as tokens, or the text of each token and of all; one of the two. */
export interface TokensJob {
  readonly kind: "tokens";
  readonly text?: string | undefined;
  readonly tokens?: readonly number[] | undefined;
}

/** A question with one answer. */
export type QueryJob = ScoreJob | LikelihoodJob | LawsJob | TokensJob;
export type Job = GenerateJob | QueryJob;

/** One text of a GenerateJob. */
export interface Written {
  /** Of the job's region. */
  readonly text: string;
  readonly tokens: readonly number[];
  /** Cut at an end-of-text token. */
  readonly ended: boolean;
}

export type Result =
  | {
      readonly kind: "generate";
      readonly texts: readonly Written[];
      readonly steps: number;
      readonly lengths?: readonly number[];
      /** The file of a recorded run. */
      readonly recording?: string;
    }
  | {
      readonly kind: "query";
      readonly answer:
        | Score
        | Ranking
        | Likelihood
        | { readonly laws: readonly PositionLaw[] }
        | { readonly tokens: readonly number[]; readonly texts: readonly string[]; readonly text: string };
    };

/** Tokens of a job's template, known once it is laid out. */
export interface Counts {
  readonly given: number;
  readonly holes: number;
}

/** A step of one text: what it changed, without the text. */
export interface Step extends Pick<SampleFrame, "step" | "time" | "sigma"> {
  readonly changes: readonly Pick<Change, "position" | "token" | "probability">[];
}

export type JobEvent =
  /** The job is sound and runs. */
  | ({ readonly type: "started" } & Counts)
  /** Text of a sequence that is final, to be appended; `ended` by an end-of-text token. */
  | { readonly type: "text"; readonly sequence: number; readonly text: string; readonly ended: boolean }
  /** The whole text of a sequence, to be replaced. */
  | ({
      readonly type: "snapshot";
      /** Stretches of positions, in order. */
      readonly spans: readonly { readonly begin: number; readonly end: number; readonly given: boolean }[];
      /** Of a recorded run: the steps since the snapshot before, all of which changed nothing. */
      readonly between?: readonly Step[];
    } & Omit<SampleFrame, "spans" | "done">);

export type ToWorker =
  | { readonly type: "start"; readonly job: number; readonly task: Job }
  | { readonly type: "cancel"; readonly job: number };

/** What a model is, once it is loaded. */
export interface ModelCard extends Pick<Model, "length" | "longest" | "parameterCount"> {
  readonly vocabularySize: number;
  readonly graph: string;
  /** The state that means open; the uniform graph has none. */
  readonly mask?: number | undefined;
  /** What it was trained for. */
  readonly objective: string;
}

export type FromWorker =
  | { readonly type: "ready"; readonly card: ModelCard }
  /** The model does not load; `user`: the message is for the one who named it. */
  | { readonly type: "broken"; readonly message: string; readonly user: boolean }
  | { readonly type: "event"; readonly job: number; readonly event: JobEvent }
  | { readonly type: "done"; readonly job: number; readonly result: Result }
  | { readonly type: "failed"; readonly job: number; readonly message: string; readonly reason: "user" | "internal" | "cancelled" }
  /** A call of the network. */
  | { readonly type: "call"; readonly rows: number; readonly runs: number };

/** One end of the wire; a Worker and a MessagePort both are one. */
export interface Port<Out, In> {
  postMessage(message: Out): void;
  on(event: "message", listener: (message: In) => void): unknown;
}

/** The HTTP thread's end of it, and the thread's life. */
export interface Connection extends Port<ToWorker, FromWorker> {
  on(event: "message", listener: (message: FromWorker) => void): unknown;
  on(event: "exit", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  terminate(): unknown;
}

/** What a worker is told when it begins. */
export interface WorkerSettings extends Pick<LoadOptions, "device" | "weights" | "threads"> {
  /** The model as it is called outside; its folder is never told. */
  readonly id: string;
  readonly path: string;
  /** Rows of a network call at most; 1 turns batching off. */
  readonly maxRows: number;
}
