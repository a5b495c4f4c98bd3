/** Samples of a trained SEDD model: prompts and templates are laid out over positions, the sampling loop runs, and texts are made of what comes out. */
import { macrotask } from "#platform";
import { restrict, type Constraint } from "../diffusion/constraints.ts";
import type { CorrectorOptions } from "../diffusion/corrector.ts";
import { departuresOf, type Departures } from "../diffusion/departures.ts";
import type { GridName } from "../diffusion/grid.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { run, type DrawOptions, type SamplerName } from "../diffusion/sampler.ts";
import type { ScoreModel } from "../diffusion/score.ts";
import { layoutText, prefix, templateSegments, type Layout, type Template } from "../diffusion/template.ts";
import type { TrajectoryFrame } from "../diffusion/trajectory.ts";
import { UserError } from "../platform/errors.ts";
import { drawSeed } from "../platform/random.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { longestOf, longestReason, type ModelConfig } from "./sedd-config.ts";
import { layoutSettled } from "./sedd-lengths.ts";
import { requireSeed, requireTokenizer, rowsPerCall } from "./sedd-likelihood.ts";
import type { NetworkScore } from "./sedd-score.ts";
import type { SeddConfig } from "./sedd.ts";

/** Positions of all samples of one call: they are held in memory, with a few numbers each. */
const MOST_POSITIONS = 2 ** 24;

/** Tokens allowed or forbidden in a hole: token ids, or texts of which each is one token of the model (as "cat" and " cat" may be two). */
export interface HoleConstraint {
  /** Which hole of the template, counted from 0; left out: every hole. A text that is written whole, or after a prompt, is hole 0. */
  readonly hole?: number | undefined;
  /** The only tokens there may be. */
  readonly allow?: readonly (number | string)[] | undefined;
  /** Tokens that there may not be. */
  readonly forbid?: readonly (number | string)[] | undefined;
}

export interface SampleOptions extends DrawOptions {
  /** Samples, default 1. */
  readonly count?: number | undefined;
  /** Tokens in all, prompt included; default the model's length. In a template: what `[[ ]]` holes fill up to. */
  readonly length?: number | undefined;
  /** Predictor steps, default 128. For first-hitting and left-to-right the most network calls, default one per token; `ar` models have no other number. */
  readonly steps?: number | undefined;
  /** Default "analytic"; for a model trained without noise (`mlm`, `ardm`) "first-hitting"; `ar` models have "left-to-right" alone. */
  readonly sampler?: SamplerName | undefined;
  readonly constraints?: readonly HoleConstraint[] | undefined;
  /** Drawn and returned if left out. Sample i depends on (seed, i) alone. */
  readonly seed?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onStep?: ((frame: SampleFrame) => void) | undefined;
}

/** Of one sample. */
export interface StreamOptions extends Omit<SampleOptions, "count" | "onStep"> {
  /** A template, or what the text begins with. */
  readonly template?: Template | undefined;
  readonly prompt?: string | undefined;
}

export interface Sample {
  /** Empty for a model without a tokenizer. */
  readonly text: string;
  readonly tokens: number[];
  readonly seed: number;
  readonly steps: number;
  readonly sampler: SamplerName;
  readonly model: string;
  readonly milliseconds: number;
  /** Where the sample does not follow the model's own law: only there if one was asked for. */
  readonly departures?: Departures;
  /** What was not exact about how the law was followed, by name; time steps, which every sampler but first-hitting makes, are not listed. Only if there is any. */
  readonly approximations?: string[];
  /** These three only if they were given. */
  readonly grid?: GridName;
  readonly corrector?: CorrectorOptions;
  readonly constraints?: readonly HoleConstraint[];
  /** The lengths that were chosen for the template's ranges, in their order; only if there are any. */
  readonly lengths?: number[];
}

/** One sequence after a step, as a text. */
export interface SampleFrame extends TrajectoryFrame {
  /** The text so far; MASK shows as "▁". Empty for a model without a tokenizer. */
  readonly text: string;
  /** Where each piece of the template lies, in positions; a given piece has its text. */
  readonly spans: Layout["spans"];
  /** This is the result. */
  readonly done: boolean;
}

/** What a call asks for: a template, or a text that may begin with a prompt. */
interface Request {
  readonly template?: Template | undefined;
  readonly prompt?: string | undefined;
  readonly length?: number | undefined;
}

/** What sampling needs of a model. */
export interface SamplingParts {
  readonly name: string;
  readonly config: ModelConfig;
  readonly score: ScoreModel & Pick<NetworkScore, "mostPositions">;
  /** Without one, prompts, templates and constraints are of token ids alone, and texts that come out are empty. */
  readonly tokenizer: Tokenizer | undefined;
}

/** A model's verbs that write. */
export interface Sampling {
  /** New texts; `prompt` is what each begins with, letter for letter. */
  sample(options?: SampleOptions & { readonly prompt?: string | undefined }): Promise<Sample[]>;
  /**
   * Fills the holes `[[n]]` of a template; what is given comes back unchanged. Of a range `[[8-24]]` the model chooses the length first, once for all samples of
   * a seed: the one under which it finds what is given around the hole most likely, of those that there is room for (of very many, of those that a coarse search judges). A list says the same without brackets, and may give exact tokens.
   */
  infill(template: Template, options?: SampleOptions): Promise<Sample[]>;
  /** The frames of one sample as they come; the last one is the result. */
  stream(options?: StreamOptions): AsyncGenerator<SampleFrame, void, undefined>;
}

/**
 * The sampler of a model where none is asked for.
 *
 * @throws UserError for one that a left-to-right model does not have, which sees nothing to the right of a hole
 */
export function samplerOf(
  { objective }: SeddConfig,
  { sampler, corrector, steps }: Pick<SampleOptions, "sampler" | "corrector" | "steps"> = {},
): SamplerName {
  if (objective === "ar" && sampler !== undefined && sampler !== "left-to-right")
    throw new UserError(`sampler "${sampler}": this model writes from left to right; leave sampler out`);
  if (objective === "ar" && corrector)
    throw new UserError("corrector: this model does not see what is to the right of a token, so it cannot redraw one; leave corrector out");
  if (objective === "ar" && steps !== undefined)
    throw new UserError(`steps ${steps}: this model writes one token a step, each from those before it; leave steps out`);
  return sampler ?? (objective === undefined ? "analytic" : objective === "ar" ? "left-to-right" : "first-hitting");
}

export function sampling({ name, config, score, tokenizer }: SamplingParts): Sampling {
  const modelLength = config.length;
  const noise = noiseFrom(config.sedd.noise);
  const limit = longestOf(config);
  const { vocabularySize } = score.graph;
  const encode = (text: string): Int32Array => requireTokenizer(tokenizer, name).encode(text);
  const decode = (ids: Int32Array | readonly number[]): string => tokenizer?.decode(ids) ?? "";

  /** Positions and spans of what a call asks for. */
  const layoutOf = async (
    { template, prompt, length }: Request,
    { seed, signal }: { seed: number; signal: AbortSignal | undefined },
  ): Promise<Layout & { readonly lengths?: number[] }> => {
    const total = length ?? modelLength;
    if (!Number.isSafeInteger(total) || total < 1) throw new UserError(`length ${String(length)}: must be a whole number of at least 1`);
    if (total > limit)
      throw new UserError(`length ${total}: this model runs at up to ${limit} tokens (${longestReason(config)}); give a smaller one`);
    if (template !== undefined) {
      if (prompt !== undefined) throw new UserError("template and prompt: give one of them; a template may begin with text");
      const segments = templateSegments(template, { size: vocabularySize, decode });
      const range = segments.find((segment) => segment.kind === "hole" && typeof segment.tokens === "object");
      if (range && config.sedd.objective === "ar")
        throw new UserError(
          `the hole at character ${range.at} of the template is a range, whose length a left-to-right model cannot choose; give one length`,
        );
      return layoutSettled(score, noise, segments, encode, { length: total, limit, seed, signal });
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

  /** Constraints of holes as constraints of positions. */
  const constraintsOf = ({ spans }: Layout, constraints: readonly HoleConstraint[]): Constraint[] => {
    const holes = spans.filter(({ text }) => text === undefined);
    return constraints.map(({ hole, allow, forbid }, c) => {
      const place = `constraint ${c + 1}`;
      const span = hole === undefined ? undefined : holes[hole];
      if (hole !== undefined && !span) throw new UserError(`${place}: there is no hole ${hole}; holes are 0 to ${holes.length - 1}`);
      const idsOf = (tokens: readonly (number | string)[] | undefined) => tokens?.map((token) => idOf(token, place));
      return {
        positions: span && Array.from({ length: span.end - span.begin }, (_, i) => span.begin + i),
        allow: idsOf(allow),
        forbid: idsOf(forbid),
      };
    });
  };
  const idOf = (token: number | string, place: string): number => {
    if (typeof token === "number") return token;
    const ids = encode(token);
    if (ids.length === 1) return ids[0]!;
    throw new UserError(`${place}: ${JSON.stringify(token)} is ${ids.length} tokens of this model; a constraint takes texts of one token`);
  };

  async function* frames(layout: Layout, options: SampleOptions, seed: number): AsyncGenerator<SampleFrame[], void, undefined> {
    const { count = 1, constraints = [], onStep: _, ...rest } = options;
    const length = layout.given.length;
    requireSeed(seed);
    const most = score.mostPositions ?? MOST_POSITIONS;
    if (count * length > most)
      throw new UserError(
        `count ${count}: ${count} × ${length} tokens are too many for one call; give at most ${Math.floor(most / length)}`,
      );
    for await (const frame of run(score, {
      ...rest,
      sampler: samplerOf(config.sedd, options),
      noise,
      length,
      count,
      seed,
      given: layout.given,
      constraints: [
        ...constraintsOf(layout, constraints),
        ...(config.unwritten ? [{ forbid: config.unwritten, name: "what this model never writes" }] : []),
      ],
      maxRows: rowsPerCall(length),
      pause: macrotask,
    })) {
      let next = 0;
      yield Array.from({ length: count }, (_, i): SampleFrame => {
        const tokens = frame.tokens.subarray(i * length, (i + 1) * length);
        const first = next;
        while (next < frame.changed.length && frame.changed[next]! < (i + 1) * length) next++;
        return {
          sequence: i,
          step: frame.step,
          steps: frame.steps,
          time: frame.time,
          sigma: frame.sigma,
          tokens: [...tokens],
          changed: Array.from(frame.changed.subarray(first, next), (at) => at - i * length),
          probability: [...frame.probability.subarray(first, next)],
          get text() {
            return layoutText(tokens, layout, decode);
          },
          spans: layout.spans,
          done: frame.done,
        };
      });
    }
  }

  const draw = async (request: Request, options: SampleOptions): Promise<Sample[]> => {
    const { count = 1, seed = drawSeed(), onStep, grid, corrector, constraints } = options;
    const sampler = samplerOf(config.sedd, options);
    const begin = performance.now();
    const layout = await layoutOf(request, { seed, signal: options.signal });
    let last: SampleFrame[] = [];
    for await (const all of frames(layout, options, seed)) {
      if (onStep) for (const frame of all) onStep(frame);
      last = all;
    }
    const milliseconds = Math.round(performance.now() - begin) / count;
    const departures = departuresOf(options, vocabularySize);
    // A hole that may hold one token alone is given.
    const { given } = restrict(score.graph, layout.given, constraintsOf(layout, constraints ?? []));
    const holes = given.reduce((sum, token) => sum + Number(token === -1), 0);
    const hitting = sampler === "first-hitting";
    const byEvent = hitting || sampler === "left-to-right";
    const approximations = [
      ...(byEvent && last[0]!.steps < holes ? [`${sampler}: several events a call`] : []),
      ...(hitting && config.sedd.parameterization === "score" ? ["first-hitting: scores that are not normalised"] : []),
      ...(holes > 0 && holes < given.length && score.graph.mask === undefined
        ? ["uniform: what is given is held in its place, which is not conditioning"]
        : []),
      ...(config.sedd.objective === "ar" && holes > 0 && given.subarray(given.indexOf(-1)).some((token) => token !== -1)
        ? ["left-to-right: what is given to the right of a hole is not seen there"]
        : []),
      ...((corrector?.positions ?? 1) > 1 ? ["corrector: several positions a call"] : []),
    ];
    return last.map(({ text, tokens, steps }) => ({
      ...{ text, tokens, seed, steps, sampler, model: name, milliseconds },
      ...(departures ? { departures } : {}),
      ...(approximations.length > 0 ? { approximations } : {}),
      ...(grid ? { grid } : {}),
      ...(corrector ? { corrector } : {}),
      ...(constraints && constraints.length > 0 ? { constraints } : {}),
      ...(layout.lengths ? { lengths: layout.lengths } : {}),
    }));
  };

  return {
    sample: async (options = {}) => draw(options, options),
    infill: async (template, options = {}) => draw({ template, length: options.length }, options),
    async *stream(options = {}) {
      const { template, prompt, length, seed = drawSeed(), ...rest } = options;
      for (const key of ["count", "onStep"])
        if (key in rest) throw new UserError(`${key}: a stream is the frames of one sample; leave it out, or use sample or infill`);
      const layout = await layoutOf({ template, prompt, length }, { seed, signal: rest.signal });
      for await (const all of frames(layout, { ...rest, count: 1 }, seed)) yield all[0]!;
    },
  };
}
