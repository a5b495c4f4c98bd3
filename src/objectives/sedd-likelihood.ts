/** The likelihood bound of a text under a trained SEDD model, with the protocol that it was measured by. */
import { macrotask } from "#platform";
import { boundSamples, summariseBound } from "../diffusion/likelihood.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ModelConfig } from "./sedd-config.ts";
import type { NetworkScore } from "./sedd-score.ts";

/** Positions in one call of the network. */
export const CALL_POSITIONS = 8192;
const LIKELIHOOD_STREAM = 0x6c696b65;

export interface Likelihood {
  readonly model: string;
  /** Tokens scored: all of the text. */
  readonly tokenCount: number;
  /** Code points of the text. */
  readonly characters: number;
  /** The bound with every term. */
  readonly natsPerToken: number;
  /** Of natsPerToken: the Monte-Carlo error over the noise, the text fixed. */
  readonly standardError: number;
  readonly bitsPerCharacter: number;
  /** exp(natsPerToken): of tokens, so it compares only within one tokenizer. */
  readonly perplexity: number;
  readonly protocol: {
    readonly bound: string;
    /** Nats a token of each term. */
    readonly terms: Readonly<Record<string, number>>;
    readonly samples: number;
    readonly replicates: number;
    readonly seed: number;
    readonly window: number;
    readonly stride: number;
    readonly graph: string;
    readonly noise: unknown;
    readonly parameterization: string;
  };
}

export interface LikelihoodOptions {
  /** Noisy copies of each window, default 8. */
  readonly samples?: number | undefined;
  /** Default 0: evaluations compare only under the same noise. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Network rows done, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

export interface ScoredModel {
  readonly name: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly score: NetworkScore;
}

/** Windows of the model's length, a short last one included, each a sequence by itself. */
export async function textLikelihood(
  { name, config, tokenizer, score }: ScoredModel,
  text: string,
  { samples = 8, seed = 0, signal, onProgress }: LikelihoodOptions = {},
): Promise<Likelihood> {
  requireSeed(seed);
  const { sedd, length } = config;
  const tokens = tokenizer.encode(text);
  if (tokens.length === 0) throw new UserError("likelihood: the text is empty; give at least one character");
  const windows: Int32Array[] = [];
  for (let start = 0; start < tokens.length; start += length) windows.push(tokens.subarray(start, start + length));
  const bound = await boundSamples(score, noiseFrom(sedd.noise), windows, {
    samples,
    random: random(seed, LIKELIHOOD_STREAM),
    maxRows: Math.max(1, Math.floor(CALL_POSITIONS / length)),
    signal,
    pause: macrotask,
    onProgress,
  });
  const { total, standardError, terms } = summariseBound(bound);
  const characters = [...text].length;
  const perToken = (nats: number): number => nats / tokens.length;
  return {
    model: name,
    tokenCount: tokens.length,
    characters,
    natsPerToken: perToken(total),
    standardError: perToken(standardError),
    bitsPerCharacter: total / Math.LN2 / characters,
    perplexity: Math.exp(perToken(total)),
    protocol: {
      bound: "-log p(text) of the continuous-time reverse process, window by window: integral over all noise levels plus end terms",
      terms: Object.fromEntries(Object.entries(terms).map(([term, nats]) => [term, perToken(nats)])),
      samples: bound.samples,
      replicates: bound.replicates,
      seed,
      window: length,
      stride: length,
      graph: score.graph.kind,
      noise: sedd.noise,
      parameterization: sedd.parameterization,
    },
  };
}

export function requireSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) throw new UserError(`seed ${String(seed)}: must be a whole number`);
}
