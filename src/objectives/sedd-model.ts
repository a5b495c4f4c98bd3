/**
 * A trained model at work, whatever objective trained it, through the score that it is read as: log-scores, samples with prompts anywhere, streams of frames, the
 * likelihood.
 */
import type { StatesNetwork } from "../network/states-network.ts";
import { UserError } from "../platform/errors.ts";
import type { CompileOptions } from "../tensor/index.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { maskedPrediction, type MaskedPrediction, type MaskedPredictionOptions } from "./masked-prediction.ts";
import { longestOf, type ModelConfig } from "./sedd-config.ts";
import { lawsOf, type LawsOptions } from "./sedd-laws.ts";
import { requireTokenizer, textLikelihood, type Likelihood, type LikelihoodOptions, type TextLikelihood } from "./sedd-likelihood.ts";
import type { PositionLaw } from "./sedd-position.ts";
import { rankCandidates, scoreQuery, type Ranking, type Score, type ScoreOptions } from "./sedd-query.ts";
import { sampling, type Sampling } from "./sedd-sample.ts";
import { batchingScore, type BatchingOptions } from "./batching-score.ts";
import { networkScore } from "./sedd-score.ts";
import { tokenIds } from "./token-ids.ts";

export type { LawsOptions } from "./sedd-laws.ts";
export type { Estimator, Likelihood, LikelihoodOptions, LikelihoodProtocol, TextLikelihood } from "./sedd-likelihood.ts";
export type { PositionLaw } from "./sedd-position.ts";
export type { Candidate, Ranking, Score, ScoreOptions } from "./sedd-query.ts";
export type { Sample, SampleFrame, SampleOptions, StreamOptions } from "./sedd-sample.ts";

export interface SeddModel extends Sampling {
  readonly name: string;
  /** The length the model was trained at, in tokens. */
  readonly length: number;
  /** The longest text that it writes, in tokens. */
  readonly longest: number;
  readonly parameterCount: number;
  readonly config: ModelConfig;
  /**
   * UserError for a folder without tokenizer.json: then only calls that take token ids work, and each `text` in what they give is empty, for samples, frames and
   * laws alike.
   */
  readonly tokenizer: Tokenizer;
  /**
   * Log-scores [batch, length, states] of tokens [batch·length] at total noise sigma [batch]: natural logarithm, 0 at the token itself.
   *
   * @throws UserError when the sizes do not fit or a token is no state of the graph, and of a left-to-right model
   */
  logScore(tokens: ArrayLike<number>, sigma: ArrayLike<number>): Promise<Float32Array>;
  /**
   * The law of the clean token at each open position of one noisy text [length] at total noise sigma: at each MASK under absorb, everywhere under uniform. It
   * is what the final denoise draws from.
   *
   * @throws UserError for tokens that are no states, a sigma that is not positive, a position without a law
   * @example (await model.laws([12, 2048, 7], 1.5))[0] // { position: 1, entropy: 3.1, top: [{ token: 301, text: " old", probability: 0.21 }, …] }
   */
  laws(tokens: ArrayLike<number>, sigma: number, options?: LawsOptions): Promise<PositionLaw[]>;
  /**
   * The bound on −log p of a text, cut into windows of the model's length (a short last one included), or of windows of tokens as they are given, with its
   * standard error.
   */
  likelihood(text: string, options?: LikelihoodOptions): Promise<TextLikelihood>;
  likelihood(windows: readonly ArrayLike<number>[], options?: LikelihoodOptions): Promise<Likelihood>;
  /**
   * What the model thinks of the text in brackets given the rest (the bound on its −log p), and of each of its positions; `[[3]]` is a hole, whose laws are told.
   * Every piece is encoded by itself, and tokens begin with the space before a word: so put it inside the brackets.
   *
   * @example (await model.score("Once upon a[[ time]] there was a king.")).bound // { nats: 0.501, … }
   */
  score(template: string, options?: ScoreOptions): Promise<Score>;
  /** Candidates for the places in brackets, the likeliest first; one text a place, or a text alone where there is one place. */
  rank(template: string, candidates: readonly (string | readonly string[])[], options?: Omit<ScoreOptions, "top">): Promise<Ranking>;
  /**
   * Accuracy and cross-entropy of the tokens of a text when a share of it is masked, at several shares: full windows of the model's length alone, or windows of
   * tokens as they are given. Models of one length and tokenizer are asked about the same positions.
   *
   * @throws UserError for a model without masks, or from left to right, and a text of less than two windows
   */
  maskedPrediction(text: string | readonly ArrayLike<number>[], options: MaskedPredictionOptions): Promise<MaskedPrediction[]>;
  /** Milliseconds spent in the network since the last call of this: what is left of a sample's time is the sampler's own. */
  takeNetworkTime(): number;
  dispose(): Promise<void>;
}

export interface SeddModelParts {
  readonly name: string;
  readonly config: ModelConfig;
  readonly parameters: Float32Array;
  readonly tokenizer: Tokenizer | undefined;
  /** Where it is not the configuration's DDiT. */
  readonly network?: StatesNetwork | undefined;
  readonly runtime: CompileOptions;
  /** Runs that go on at the same time share calls of the network; left out, each makes its own. */
  readonly batching?: BatchingOptions | undefined;
}

/** In place of a tokenizer where there is none, for what asks for the texts of tokens and nothing else. */
const textless: Pick<Tokenizer, "decode"> = { decode: () => "" };

export function seddModel({ name, config, parameters, tokenizer, network, runtime, batching }: SeddModelParts): SeddModel {
  const { sedd, length } = config;
  const score = networkScore(sedd, parameters, { ...runtime, frozen: true }, network);
  const { states } = sedd.network;
  const tokenizerOf = (): Tokenizer => requireTokenizer(tokenizer, name);
  const { vocabularySize } = score.graph;
  if (tokenizer && tokenizer.size !== vocabularySize) {
    throw new UserError(
      `model ${name}: its tokenizer has ${tokenizer.size} tokens, its network ${vocabularySize}; they are not of one model`,
    );
  }

  const shared = batching && !score.forRun ? batchingScore(score, batching) : score;
  const longest = longestOf(config);
  /** What a left-to-right model has not: it is no score, whose every position knows all others. */
  const seesAll = (what: string): void => {
    if (sedd.objective === "ar")
      throw new UserError(`${what}: model ${name} writes from left to right and has no scores; give another model`);
  };
  const own = { name, config, score, parameters };
  const scored = () => ({ ...own, tokenizer: tokenizerOf() });
  // Of a text its characters are counted, since it takes a tokenizer to read it.
  async function likelihood(text: string, options?: LikelihoodOptions): Promise<TextLikelihood>;
  async function likelihood(windows: readonly ArrayLike<number>[], options?: LikelihoodOptions): Promise<Likelihood>;
  async function likelihood(given: string | readonly ArrayLike<number>[], options?: LikelihoodOptions): Promise<Likelihood> {
    return textLikelihood({ ...own, tokenizer }, given, options);
  }
  return {
    name,
    length,
    longest,
    parameterCount: parameters.length,
    config,
    get tokenizer() {
      return tokenizerOf();
    },
    async logScore(ids, sigmas) {
      seesAll("logScore");
      const [tokens, sigma] = [tokenIds(ids, "logScore"), Float64Array.from(sigmas)];
      const length = tokens.length / sigma.length;
      if (!Number.isInteger(length) || length < 1)
        throw new UserError(`logScore: ${tokens.length} tokens are not ${sigma.length} rows of one length`);
      for (const token of tokens)
        if (!(token >= 0 && token < states)) throw new UserError(`logScore: token ${token} is no state; states are 0 to ${states - 1}`);
      for (const value of sigma)
        if (!(value > 0 && value < Infinity)) throw new UserError(`logScore: sigma ${value} must be positive and finite`);
      return score.all(tokens, sigma);
    },
    ...sampling({ name, config, score: shared, tokenizer }),
    async laws(tokens, sigma, options) {
      seesAll("laws");
      return lawsOf({ score: shared, tokenizer: tokenizer ?? textless, limit: longest }, tokens, sigma, options);
    },
    likelihood,
    async score(template, options) {
      seesAll("score");
      return scoreQuery(scored(), template, options);
    },
    async rank(template, candidates, options) {
      seesAll("rank");
      return rankCandidates(scored(), template, candidates, options);
    },
    async maskedPrediction(text, options) {
      return maskedPrediction(
        { score, config },
        typeof text === "string"
          ? fullWindows(tokenizerOf().encode(text), length)
          : text.map((window, w) => tokenIds(window, `maskedPrediction: window ${w}`)),
        options,
      );
    },
    takeNetworkTime: () => score.takeNetworkTime(),
    dispose: () => score.dispose(),
  };
}

/** Tokens cut into windows; those that fill none are left out. */
export const fullWindows = (tokens: Int32Array, length: number): Int32Array[] =>
  Array.from({ length: Math.floor(tokens.length / length) }, (_, w) => tokens.slice(w * length, (w + 1) * length));
