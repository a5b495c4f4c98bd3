/** A trained SEDD model at work: log-scores, samples with prompts anywhere, streams of frames, the likelihood bound. */
import { macrotask } from "#platform";
import { noiseFrom } from "../diffusion/noise.ts";
import { run, type SamplerName } from "../diffusion/sampler.ts";
import { layoutTemplate, parseTemplate, prefix, type Layout as TemplateLayout } from "../diffusion/template.ts";
import { UserError } from "../platform/errors.ts";
import { drawSeed } from "../platform/random.ts";
import type { CompileOptions } from "../tensor/index.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ModelConfig } from "./sedd-config.ts";
import { CALL_POSITIONS, requireSeed, textLikelihood, type Likelihood, type LikelihoodOptions } from "./sedd-likelihood.ts";
import { networkScore } from "./sedd-score.ts";

export type { Likelihood, LikelihoodOptions } from "./sedd-likelihood.ts";

/** The longest sequence that a model is run at, in model lengths: rotary positions beyond it were never near any it has seen. */
const LENGTH_LIMIT = 8;
/** Positions of all samples of one call: they are held in memory, with a few numbers each. */
const MOST_POSITIONS = 2 ** 24;

export interface SampleOptions {
  /** Samples, default 1. */
  readonly count?: number | undefined;
  /** Tokens in all, prompt included; default the model's length. In a template: what `[[ ]]` holes fill up to. */
  readonly length?: number | undefined;
  /** Predictor steps, default 128. For first-hitting the most network calls, default one per token. */
  readonly steps?: number | undefined;
  readonly sampler?: SamplerName | undefined;
  /** Drawn and returned if left out. Sample i depends on (seed, i) alone. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((frame: SampleFrame) => void) | undefined;
}

export interface Sample {
  readonly text: string;
  readonly tokens: number[];
  readonly seed: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly model: string;
  readonly milliseconds: number;
}

/** One sequence after a step. */
export interface SampleFrame {
  /** Which of the samples this is. */
  readonly sequence: number;
  /** Predictor steps done, of `steps`. */
  readonly step: number;
  readonly steps: number;
  readonly time: number;
  readonly sigma: number;
  readonly tokens: number[];
  /** Positions that this step changed. */
  readonly changed: number[];
  /** The text so far; MASK shows as "▁". */
  readonly text: string;
}

export interface SeddModel {
  readonly name: string;
  /** The length the model was trained at, in tokens. */
  readonly length: number;
  readonly parameterCount: number;
  readonly config: ModelConfig;
  /** UserError for a folder without tokenizer.json: then only token-level calls work. */
  readonly tokenizer: Tokenizer;
  /**
   * Log-scores [batch, length, states] of tokens [batch·length] at total noise sigma [batch]: natural logarithm, 0 at the token itself.
   *
   * @throws UserError when the sizes do not fit or a token is no state of the graph
   */
  logScore(tokens: Int32Array, sigma: Float64Array): Promise<Float32Array>;
  /** New texts; `prompt` is what each begins with, letter for letter. */
  sample(options?: SampleOptions & { readonly prompt?: string | undefined }): Promise<Sample[]>;
  /** Fills the holes `[[n]]` of a template; what is given comes back unchanged. */
  infill(template: string, options?: SampleOptions): Promise<Sample[]>;
  /** The frames of one sample as they come; the last one is the result. */
  stream(
    options?: SampleOptions & { readonly template?: string | undefined; readonly prompt?: string | undefined },
  ): AsyncGenerator<SampleFrame, void, undefined>;
  /** The bound on −log p of a text, cut into windows of the model's length (a short last one included), with its standard error. */
  likelihood(text: string, options?: LikelihoodOptions): Promise<Likelihood>;
  /** Milliseconds spent in the network since the last call of this: what is left of a sample's time is the sampler's own. */
  takeNetworkTime(): number;
  dispose(): Promise<void>;
}

export interface SeddModelParts {
  readonly name: string;
  readonly config: ModelConfig;
  readonly parameters: Float32Array;
  readonly tokenizer: Tokenizer | undefined;
  readonly runtime: CompileOptions;
}

export function seddModel({ name, config, parameters, tokenizer, runtime }: SeddModelParts): SeddModel {
  const { sedd, length: modelLength } = config;
  const score = networkScore(sedd, parameters, runtime);
  const noise = noiseFrom(sedd.noise);
  const limit = LENGTH_LIMIT * modelLength;
  const { states } = sedd.network;
  const tokenizerOf = (): Tokenizer => {
    if (!tokenizer) throw new UserError(`model ${name}: has no tokenizer.json, so it takes and gives token ids only (logScore)`);
    return tokenizer;
  };
  if (tokenizer && tokenizer.size !== states - 1) {
    throw new UserError(`model ${name}: its tokenizer has ${tokenizer.size} tokens, its network ${states - 1}; they are not of one model`);
  }

  /** Positions and spans of what a call asks for. */
  const layoutOf = ({
    template,
    prompt,
    length,
  }: {
    template?: string | undefined;
    prompt?: string | undefined;
    length?: number | undefined;
  }): TemplateLayout => {
    const total = length ?? modelLength;
    if (!Number.isSafeInteger(total) || total < 1) throw new UserError(`length ${String(length)}: must be a whole number of at least 1`);
    if (total > limit)
      throw new UserError(
        `length ${total}: this model runs at up to ${limit} tokens (${LENGTH_LIMIT} × its own ${modelLength}); give a smaller one`,
      );
    const encode = (text: string): Int32Array => tokenizerOf().encode(text);
    if (template !== undefined) {
      if (prompt !== undefined) throw new UserError("template and prompt: give one of them; a template may begin with text");
      return layoutTemplate(parseTemplate(template), encode, { length: total, limit });
    }
    if (prompt === undefined || prompt === "") return { given: new Int32Array(total).fill(-1), spans: [{ begin: 0, end: total }] };
    const tokens = encode(prompt);
    return {
      given: prefix(tokens, total),
      spans: [
        { begin: 0, end: tokens.length, text: prompt },
        { begin: tokens.length, end: total },
      ],
    };
  };

  const textOf = (tokens: Int32Array, { spans }: TemplateLayout): string =>
    spans.map(({ begin, end, text }) => text ?? tokenizerOf().decode(tokens.subarray(begin, end))).join("");

  async function* frames(layout: TemplateLayout, options: SampleOptions, seed: number): AsyncGenerator<SampleFrame[]> {
    const length = layout.given.length;
    const { steps, sampler, count = 1, signal } = options;
    requireSeed(seed);
    if (count * length > MOST_POSITIONS)
      throw new UserError(
        `count ${count}: ${count} × ${length} tokens are too many for one call; give at most ${Math.floor(MOST_POSITIONS / length)}`,
      );
    const maxRows = Math.max(1, Math.floor(CALL_POSITIONS / length));
    for await (const frame of run(score, {
      noise,
      sampler,
      length,
      steps,
      count,
      seed,
      given: layout.given,
      maxRows,
      signal,
      pause: macrotask,
    })) {
      const all = Array.from({ length: count }, (_, i): SampleFrame => {
        const tokens = frame.tokens.subarray(i * length, (i + 1) * length);
        return {
          sequence: i,
          step: frame.step,
          steps: frame.steps,
          time: frame.time,
          sigma: frame.sigma,
          tokens: [...tokens],
          changed: [...frame.changed].filter((at) => Math.floor(at / length) === i).map((at) => at % length),
          get text() {
            return textOf(tokens, layout);
          },
        };
      });
      yield all;
    }
  }

  const draw = async (layout: TemplateLayout, options: SampleOptions): Promise<Sample[]> => {
    tokenizerOf();
    const { count = 1, sampler = "analytic", seed = drawSeed(), onStep } = options;
    const begin = performance.now();
    let last: SampleFrame[] = [];
    for await (const all of frames(layout, options, seed)) {
      if (onStep) for (const frame of all) onStep(frame);
      last = all;
    }
    const milliseconds = Math.round(performance.now() - begin) / count;
    return last.map(({ text, tokens, steps }) => ({ text, tokens, seed, steps, sampler, model: name, milliseconds }));
  };

  return {
    name,
    length: modelLength,
    parameterCount: parameters.length,
    config,
    get tokenizer() {
      return tokenizerOf();
    },
    async logScore(tokens, sigma) {
      const length = tokens.length / sigma.length;
      if (!Number.isInteger(length) || length < 1)
        throw new UserError(`logScore: ${tokens.length} tokens are not ${sigma.length} rows of one length`);
      for (const token of tokens)
        if (!(token >= 0 && token < states)) throw new UserError(`logScore: token ${token} is no state; states are 0 to ${states - 1}`);
      for (const value of sigma)
        if (!(value > 0 && value < Infinity)) throw new UserError(`logScore: sigma ${value} must be positive and finite`);
      return score.all(tokens, sigma);
    },
    sample: async (options = {}) => draw(layoutOf(options), options),
    infill: async (template, options = {}) => draw(layoutOf({ template, length: options.length }), options),
    async *stream(options = {}) {
      tokenizerOf();
      for await (const all of frames(layoutOf(options), { ...options, count: 1 }, options.seed ?? drawSeed())) yield all[0]!;
    },
    likelihood: async (text, options) => textLikelihood({ name, config, tokenizer: tokenizerOf(), score }, text, options),
    takeNetworkTime: () => score.takeNetworkTime(),
    dispose: () => score.dispose(),
  };
}
