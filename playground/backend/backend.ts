/** What the page asks of a model, wherever it runs: in a worker of this browser (browser.ts) or behind a server (server.ts). */
import type { Graph, Likelihood, Model, PositionLaw, SamplerName, Template, Trajectory, TrajectoryFrame } from "sedd";

/** A model that is ready. */
export interface ModelCard extends Pick<Model, "name" | "length" | "longest"> {
  readonly vocabularySize: number;
  readonly graph: Graph["kind"];
  /** Absorb: the state that stands for a token not yet written. */
  readonly mask: number | undefined;
  readonly parameters: number;
  /** Writes a token a step, each from those before it: no sampler or steps to choose, no laws. */
  readonly leftToRight: boolean;
  /** Where it runs, in words: "WebGPU", "WebAssembly, 4 threads", "server". */
  readonly device: string;
}

/** Whether two are one model, wherever each runs: token ids of the one are those of the other. */
export const sameModel = (a: ModelCard, b: ModelCard): boolean =>
  a.name === b.name && a.vocabularySize === b.vocabularySize && a.graph === b.graph && a.parameters === b.parameters;

export interface GenerateRequest {
  readonly template: Template;
  /** What `[[ ]]` fills up to; default the model's length. */
  readonly length?: number | undefined;
  readonly count: number;
  readonly seed: number;
  /** Left out for a model that writes from left to right. */
  readonly steps?: number | undefined;
  readonly sampler?: SamplerName | undefined;
  readonly temperature?: number | undefined;
}

/** One text after a step. */
export interface Frame extends Pick<TrajectoryFrame, "sequence" | "step" | "steps" | "time" | "sigma"> {
  readonly tokens: readonly number[];
  /** Positions that this step changed, and the probability that its law gave each token drawn there. */
  readonly changed: readonly number[];
  readonly probability: readonly number[];
  /** Given and open stretches of positions, in order. */
  readonly spans: readonly { readonly begin: number; readonly end: number; readonly given: boolean }[];
}

export interface Generated {
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly number[])[];
  readonly milliseconds: number;
  /** The whole run, for `sedd replay`. */
  readonly trajectory: Trajectory;
}

/** The bound on −log p in nats a token, and its standard error. */
export type Bound = Pick<Likelihood, "natsPerToken" | "standardError">;

export interface Backend {
  readonly card: ModelCard;
  /** Writes; `onFrame` hears every frame of every text, in order. Rejects with the signal's reason when aborted. */
  generate(
    request: GenerateRequest,
    options: { readonly signal: AbortSignal; readonly onFrame: (frame: Frame) => void },
  ): Promise<Generated>;
  /** The law of the clean token at each open position of a noisy text (under the uniform graph: at every position). */
  laws(
    tokens: readonly number[],
    sigma: number,
    options: { readonly top: number; readonly signal?: AbortSignal },
  ): Promise<readonly PositionLaw[]>;
  likelihood(text: string, options: { readonly samples: number; readonly seed: number; readonly signal?: AbortSignal }): Promise<Bound>;
  encode(text: string): Promise<readonly number[]>;
  /** The text of each token by itself; a part of a character shows as "�". */
  textsOf(tokens: readonly number[]): Promise<readonly string[]>;
  /** The text of tokens together: characters that are spread over several are whole. */
  decode(tokens: readonly number[]): Promise<string>;
  dispose(): void;
}
