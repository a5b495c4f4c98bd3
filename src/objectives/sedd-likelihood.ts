/** The likelihood of a text under a trained SEDD model, by any of the estimators, with the card of the protocol that it was measured by. */
import { macrotask } from "#platform";
import { type BoundOptions, type BoundSamples, checkSamples, checkWindows, replicateTotals, summariseBound } from "../diffusion/bound.ts";
import { exactKSamples } from "../diffusion/exact-k.ts";
import { boundSamples } from "../diffusion/likelihood.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { pseudoLikelihoodSamples } from "../diffusion/pseudo-likelihood.ts";
import { unmaskingSamples, type UnmaskingSamples } from "../diffusion/unmasking.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import { packageVersion } from "../platform/version.ts";
import { END_OF_TEXT } from "../text/interface.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { causalLikelihood } from "./causal-likelihood.ts";
import { fingerprint } from "./fingerprint.ts";
import { longestOf, type ModelConfig } from "./sedd-config.ts";
import type { ObjectiveKind } from "./objective.ts";
import { type NetworkScore, paddedLength } from "./sedd-score.ts";
import type { SeddConfig } from "./sedd.ts";
import { tokenIds } from "./token-ids.ts";

/** Positions in one call of the network. */
const CALL_POSITIONS = 8192;
/** How many sequences of a length go into one call, as it is padded: lengths to 16 at least, rows to a power of two. */
export const rowsPerCall = (length: number): number => 2 ** Math.max(0, Math.floor(Math.log2(CALL_POSITIONS / paddedLength(length))));
const LIKELIHOOD_STREAM = 0x6c696b65;

/** How a likelihood is estimated, and what the number then is. */
export const estimators = {
  stratified: "-log p(text) of the continuous-time reverse process, window by window: integral over all noise levels plus end terms",
  "exact-k":
    "-log p(text) of the continuous-time reverse process, window by window: mean over the number k of masked tokens, with the time drawn given k",
  "any-order":
    "-log p(text) of the sampler that unmasks one token at a time in random order (first-hitting), window by window: mean over orders",
  "left-to-right": "-log p(text) of the sampler that unmasks one token at a time from left to right, window by window: exact, no bound",
  pseudo:
    "pseudo-likelihood, window by window: each token masked alone and predicted from all others; no likelihood of the text and no bound on one",
} as const;
export type Estimator = keyof typeof estimators;
export const estimatorNames = Object.keys(estimators) as Estimator[];

const defaultEstimators = { sedd: "stratified", mlm: "pseudo", ardm: "exact-k", ar: "left-to-right" } as const satisfies Record<
  ObjectiveKind,
  Estimator
>;

/** What a likelihood says of the text that its tokens are. */
export interface TextCounts {
  /** Code points of the text. */
  readonly characters: number;
  /** Bytes of the text in UTF-8. */
  readonly bytes: number;
  readonly bitsPerCharacter: number;
  readonly bitsPerByte: number;
}

/** Of tokens: where a model has no tokenizer they have no text, and what counts it is absent. */
export interface Likelihood extends Partial<TextCounts> {
  readonly model: string;
  /** Tokens scored: all of the text. */
  readonly tokenCount: number;
  /** The bound with every term. */
  readonly natsPerToken: number;
  /** Of natsPerToken: the Monte-Carlo error over the noise, the text fixed; 0 for an exact value. */
  readonly standardError: number;
  /** exp(natsPerToken): of tokens, so it compares only within one tokenizer. */
  readonly perplexity: number;
  /** Nats a token of each independent repetition: their mean is natsPerToken, their spread its error. Two reports under one noise subtract them. */
  readonly estimates: readonly number[];
  readonly protocol: LikelihoodProtocol;
}

export type TextLikelihood = Likelihood & TextCounts;

export interface LikelihoodProtocol {
  /** What the number is. */
  readonly bound: string;
  readonly estimator: Estimator;
  /** Nats a token of each term. */
  readonly terms: Readonly<Record<string, number>>;
  /** Unmasking alone: nats a token that the continuous-time process pays besides because its scores do not sum to 1/(e^σ−1). */
  readonly unnormalised?: number;
  readonly samples: number;
  readonly replicates: number;
  /** Windows that the network was asked about in all: what the number cost. */
  readonly networkRows: number;
  readonly seed: number;
  readonly window: number;
  readonly windows: number;
  readonly stride: number;
  readonly graph: string;
  readonly noise: unknown;
  readonly parameterization: string;
  /** What the model was trained for. */
  readonly objective: ObjectiveKind;
  /** Fingerprints (SHA-256, 16 digits) of the parameters and of the text. */
  readonly weights?: string | undefined;
  readonly text?: string | undefined;
  /** Of this package. */
  readonly version: string;
}

export interface LikelihoodOptions {
  /**
   * Default "stratified"; of an `ardm` model "exact-k", of an `mlm` model "pseudo"; an `ar` model has "left-to-right" alone, at one row a window. Elsewhere
   * "any-order" and "left-to-right" cost one row of the network a token and sample.
   */
  readonly estimator?: Estimator | undefined;
  /** Noisy copies of each window (any-order: orders; pseudo: positions), at least 2, default 8. From left to right the value is exact, and takes one. */
  readonly samples?: number | undefined;
  /** Of windows of tokens: the positions of each, ascending, that are judged; the rest is given. An `ar` model does not see what follows. Default: all. */
  readonly free?: readonly ArrayLike<number>[] | undefined;
  /** Default 0: evaluations compare only under the same noise. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Network rows done, of all. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** What likelihoods and queries need of a model. */
export interface ScoredModel {
  readonly name: string;
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly score: NetworkScore;
  readonly parameters: Float32Array;
}

/**
 * Of a text, in windows of the model's length, a short last one included; or of windows of tokens. Each is a sequence by itself.
 *
 * @throws UserError for a text where there is no tokenizer
 */
export async function textLikelihood(
  { name, config, tokenizer, score, parameters }: Omit<ScoredModel, "tokenizer"> & { readonly tokenizer: Tokenizer | undefined },
  given: string | readonly ArrayLike<number>[],
  {
    estimator = defaultEstimators[config.sedd.objective ?? "sedd"],
    samples = 8,
    free: positions,
    seed = 0,
    signal,
    onProgress,
  }: LikelihoodOptions = {},
): Promise<Likelihood> {
  requireSeed(seed);
  checkSamples(samples);
  const text = typeof given === "string" ? given : given.map((window, w) => tokenIds(window, `likelihood: window ${w}`));
  const free = positions?.map((of, w) => tokenIds(of, `likelihood: positions of window ${w}`));
  if (!Object.hasOwn(estimators, estimator))
    throw new UserError(`estimator ${String(estimator)}: not known; ${estimatorNames.join(", ")} are`);
  const { sedd, length } = config;
  if (sedd.objective === "ar" && estimator !== "left-to-right")
    throw new UserError(`estimator "${estimator}": this model's likelihood is exact, from left to right; leave estimator out`);
  if (typeof text === "string" && free) throw new UserError("likelihood: free positions are those of windows of tokens; give no text");
  if (typeof text !== "string") checkWindows(text, score.graph.vocabularySize, free);
  for (const [w, judged] of free?.entries() ?? [])
    if (judged.some((position, k) => position < (judged[k - 1] ?? 0)))
      throw new UserError(`the positions of window ${w} to judge, ${judged.join(", ")}: give them in ascending order`);
  const { windows, tokenCount, counts, digest } =
    typeof text === "string" ? windowsOf(text, requireTokenizer(tokenizer, name), length) : counted(text, tokenizer, free);
  if (tokenCount === 0) throw new UserError("likelihood: the text is empty; give at least one character");
  const longest = windows.reduce((most, window) => Math.max(most, window.length), length);
  if (longest > longestOf(config))
    throw new UserError(`a text of ${longest} tokens: this model reads at most ${longestOf(config)} at once; shorten the text`);
  const bound = await sampleBound(estimator, sedd, score, windows, {
    samples,
    free,
    random: random(seed, LIKELIHOOD_STREAM),
    maxRows: rowsPerCall(longest),
    signal,
    pause: macrotask,
    onProgress,
  });
  const { total, standardError, terms } = summariseBound(bound);
  for (const [term, nats] of Object.entries(terms))
    if (!Number.isFinite(nats))
      throw new UserError(`likelihood: the bound is infinite: ${name} gives a token of the text probability 0 (term "${term}")`);
  const window = typeof text === "string" ? length : windows[0]!.length;
  const perToken = (nats: number): number => nats / tokenCount;
  const bits = counts && { bitsPerCharacter: total / Math.LN2 / counts.characters, bitsPerByte: total / Math.LN2 / counts.bytes };
  const { excess } = bound as Partial<UnmaskingSamples>;
  return {
    model: name,
    tokenCount,
    ...counts,
    natsPerToken: perToken(total),
    standardError: perToken(standardError),
    ...bits,
    perplexity: Math.exp(perToken(total)),
    estimates: [...replicateTotals(bound)].map(perToken),
    protocol: {
      bound: estimators[estimator],
      estimator,
      terms: Object.fromEntries(Object.entries(terms).map(([term, nats]) => [term, perToken(nats)])),
      ...(excess ? { unnormalised: perToken(excess.reduce((a, b) => a + b, 0) / bound.replicates) } : {}),
      samples: bound.samples,
      replicates: bound.replicates,
      networkRows: bound.rows,
      seed,
      window,
      windows: windows.length,
      stride: window,
      graph: score.graph.kind,
      noise: sedd.noise,
      parameterization: sedd.parameterization,
      objective: sedd.objective ?? "sedd",
      weights: await fingerprint(parameters),
      text: await fingerprint(digest),
      version: packageVersion,
    },
  };
}

type Counts = Pick<TextCounts, "characters" | "bytes">;

function windowsOf(text: string, tokenizer: Tokenizer, length: number) {
  const tokens = tokenizer.encode(text);
  const windows: Int32Array[] = [];
  for (let start = 0; start < tokens.length; start += length) windows.push(tokens.subarray(start, start + length));
  // End-of-text is no text, though it is spelled here.
  const marks = END_OF_TEXT.length * tokens.reduce((sum, id) => sum + Number(id === tokenizer.endOfText), 0);
  const counts: Counts = { characters: [...text].length - marks, bytes: new TextEncoder().encode(text).length - marks };
  return { windows, tokenCount: tokens.length, counts, digest: text };
}

/** Windows of tokens as they are given; what counts is the judged positions. */
function counted(windows: readonly Int32Array[], tokenizer: Tokenizer | undefined, free?: readonly Int32Array[]) {
  const judged = free?.map((positions, w) => positions.map((i) => windows[w]![i]!)) ?? windows;
  const tokenCount = judged.reduce((sum, { length }) => sum + length, 0);
  return { windows, tokenCount, counts: tokenizer && countsOf(judged, tokenizer), digest: [...windows, ...(free ?? [])].join("\n") };
}

/** Code points are counted by their first bytes: a window may begin or end within one. End-of-text is no text. */
function countsOf(windows: readonly Int32Array[], tokenizer: Tokenizer): Counts {
  let [characters, bytes] = [0, 0];
  for (const window of windows)
    for (const id of window) {
      if (id === tokenizer.endOfText) continue;
      const piece = tokenizer.pieceBytes(id);
      bytes += piece.length;
      for (const byte of piece) characters += Number((byte & 0xc0) !== 0x80);
    }
  return { characters, bytes };
}

async function sampleBound(
  estimator: Estimator,
  config: SeddConfig,
  score: NetworkScore,
  windows: readonly Int32Array[],
  options: BoundOptions,
): Promise<BoundSamples> {
  const noise = noiseFrom(config.noise);
  switch (estimator) {
    case "stratified":
      return boundSamples(score, noise, windows, options);
    case "exact-k":
      return exactKSamples(score, noise, windows, options);
    case "any-order":
      return unmaskingSamples(score, noise, windows, { ...options, order: "random" });
    case "left-to-right":
      if (config.objective === "ar") return causalLikelihood(score, windows, options);
      return unmaskingSamples(score, noise, windows, { ...options, order: "left-to-right" });
    case "pseudo":
      return pseudoLikelihoodSamples(score, noise, windows, options);
  }
}

export function requireSeed(seed: number): void {
  if (!Number.isSafeInteger(seed)) throw new UserError(`seed ${String(seed)}: must be a whole number`);
}

/** UserError for a model without a tokenizer. */
export function requireTokenizer(tokenizer: Tokenizer | undefined, name: string): Tokenizer {
  if (tokenizer) return tokenizer;
  throw new UserError(
    `model ${name}: has no tokenizer.json, so it takes and gives token ids only (logScore, laws, likelihood and infill of tokens, sample without a prompt); sedd convert --tokenizer adds one`,
  );
}
