/** What the page asks of a model, wherever it runs: in a worker of this browser (browser.ts) or behind a server (server.ts). */
import type { SamplerName, Trajectory } from "sedd";

/** A model that is ready. */
export interface ModelCard {
  readonly name: string;
  /** The length it was trained at, and the longest text it takes, in tokens. */
  readonly length: number;
  readonly longest: number;
  readonly vocabularySize: number;
  readonly graph: "absorb" | "uniform";
  /** Absorb: the state that stands for a token not yet written. */
  readonly mask: number | undefined;
  readonly parameters: number;
  /** Where it runs, in words: "WebGPU", "WebAssembly, 4 threads", "server". */
  readonly device: string;
}

/** A text with holes: in brackets (`Once [[8]] there`), or as texts, exact tokens and holes. */
export type Template = string | readonly (string | { readonly given: readonly number[] } | { readonly tokens: number })[];

export interface GenerateRequest {
  readonly template: Template;
  /** What `[[ ]]` fills up to; default the model's length. */
  readonly length?: number | undefined;
  readonly count: number;
  readonly seed: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
}

/** One text after a step. */
export interface Frame {
  /** Which of the texts. */
  readonly sequence: number;
  /** Predictor steps done, of `steps`; the final denoise, which is not counted, is at time 0. Step 0 is the beginning. */
  readonly step: number;
  readonly steps: number;
  readonly time: number;
  /** Total noise. */
  readonly sigma: number;
  readonly tokens: readonly number[];
  /** Positions changed since the frame before, and the probability that the step's law gave each token drawn there, where that is known. */
  readonly changed: readonly number[];
  readonly probability: readonly (number | undefined)[];
  /** Given and open stretches of positions, in order. */
  readonly spans: readonly { readonly begin: number; readonly end: number; readonly given: boolean }[];
}

export interface Generated {
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly number[])[];
  readonly milliseconds: number;
  /** The run for `sedd replay`, from a model in this browser (a server does not tell all of it). */
  readonly trajectory?: Trajectory;
}

/** What a model says of one position of a noisy text. */
export interface Law {
  readonly position: number;
  /** Nats. */
  readonly entropy: number;
  /** The likeliest tokens, likeliest first. */
  readonly top: readonly { readonly token: number; readonly text: string; readonly probability: number }[];
}

export interface Backend {
  readonly card: ModelCard;
  /** Writes; `onFrame` hears every frame of every text, in order. Rejects with the signal's reason when aborted. */
  generate(
    request: GenerateRequest,
    options: { readonly signal: AbortSignal; readonly onFrame: (frame: Frame) => void },
  ): Promise<Generated>;
  /** The law of the clean token at each open position of a noisy text (under the uniform graph: at every position). */
  laws(tokens: readonly number[], sigma: number, options: { readonly top: number; readonly signal?: AbortSignal }): Promise<readonly Law[]>;
  /** Bound on −log p in nats a token, and its standard error. */
  likelihood(
    text: string,
    options: { readonly samples: number; readonly seed: number; readonly signal?: AbortSignal },
  ): Promise<Likelihood>;
  encode(text: string): Promise<readonly number[]>;
  /** The text of each token by itself; a part of a character shows as "�". */
  textsOf(tokens: readonly number[]): Promise<readonly string[]>;
  dispose(): void;
}

export interface Likelihood {
  readonly natsPerToken: number;
  readonly standardError: number;
}

/** Bytes that have come, of `total` where that is known. */
export type Progress = (progress: { readonly file: string; readonly loaded: number; readonly total: number | undefined }) => void;
