/**
 * Probability queries: what a trained SEDD model thinks of a piece of text in its place (`Once [[upon a time]] there`), of what could stand in a hole
 * (`Once [[3]] there`), and of several candidates for one place.
 *
 * The bound on −log p(span | rest) is that of diffusion/likelihood.ts with the span alone ever noisy: under absorb the law of span and rest given the rest is
 * reached by the same reverse process begun with the rest in place (a score at a MASK is p(token | what is not masked) / (e^σ−1), and the rest never is), so the
 * bound is on the conditional itself, "exact" for an exact score. Under uniform a score takes every token for noisy, the given ones as well; what is
 * bounded then is the law of the "clamped" process, the one that infills, which is not quite the conditional.
 */
import { macrotask } from "#platform";
import { compareBounds, estimate, replicateTotals, type BoundSamples } from "../diffusion/bound.ts";
import { aroundSpans } from "../diffusion/hole-lengths.ts";
import { boundSamples } from "../diffusion/likelihood.ts";
import { noiseFrom } from "../diffusion/noise.ts";
import { layoutTemplate, parseQuery, type Judged, type Layout, type Segment } from "../diffusion/template.ts";
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import { packageVersion } from "../platform/version.ts";
import { fingerprint } from "./fingerprint.ts";
import { longestOf, longestReason } from "./sedd-config.ts";
import { requireSeed, rowsPerCall, type ScoredModel } from "./sedd-likelihood.ts";
import { positionLaws, type PositionLaw } from "./sedd-position.ts";

const QUERY_STREAM = 0x71756572;

export interface ScoreOptions {
  /** Noisy copies, default 64. */
  readonly samples?: number | undefined;
  /** Default 0: scores compare only under the same noise. */
  readonly seed?: number | undefined;
  /** The likeliest tokens that are listed at each position, default 5. */
  readonly top?: number | undefined;
  /** Positions that `[[ ]]` holes fill up to; default the model's length. */
  readonly length?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** A bound on −log p(spans | rest), in nats. */
export interface SpanBound {
  /** Tokens and characters judged. */
  readonly tokenCount: number;
  readonly characters: number;
  readonly nats: number;
  /** Of nats: the Monte-Carlo error over the noise. */
  readonly standardError: number;
  readonly natsPerToken: number;
}

export interface QueryProtocol {
  readonly bound: string;
  /** "exact": of the conditional law, for an exact score; "clamped": of the infilling process, which under uniform is not the conditional. */
  readonly conditioning: "exact" | "clamped";
  /** Noisy copies that were drawn, 0 where nothing was judged, in independent replicates, whose spread is the standard error (replicates − 1 degrees of freedom). */
  readonly samples: number;
  readonly replicates: number;
  readonly seed: number;
  readonly graph: string;
  readonly parameterization: string;
  readonly weights?: string | undefined;
  readonly version: string;
}

export interface Score {
  readonly model: string;
  /** The text; holes show as "▁". */
  readonly text: string;
  /** Where the template has text to judge. */
  readonly bound?: SpanBound;
  /** Each judged or open position: the model's law there given everything else. Absorb only. */
  readonly positions: readonly PositionLaw[];
  readonly protocol: QueryProtocol;
}

export interface Candidate extends SpanBound {
  /** What was put in the place of each span. */
  readonly parts: readonly string[];
  /** What it is ranked by: its own nats, or, where candidates differ in the positions they take, those of it and of the 16 given tokens on either side. */
  readonly jointNats: number;
  /** Of jointNats: how much more than the best one's, and the Monte-Carlo error of that, small since all are judged under the same noise. */
  readonly difference: number;
  readonly differenceError: number;
}

export interface Ranking {
  readonly model: string;
  /** The likeliest first. */
  readonly candidates: readonly Candidate[];
  readonly protocol: QueryProtocol;
}

/** Judges the spans of a query and tells the laws at its positions. */
export async function scoreQuery(model: ScoredModel, template: string, options: ScoreOptions = {}): Promise<Score> {
  const { samples = 64, seed = 0, top = 5, signal, onProgress } = checked(options);
  const place = layoutQuery(model, parseQuery(template), options.length);
  if (place.judged.length === 0 && place.open.length === 0)
    throw new UserError('the template has nothing to judge; put it in brackets, for example "Once[[ upon a time]] there"');
  let bound: SpanBound | undefined;
  let drawn: BoundSamples | undefined;
  if (place.judged.length > 0) {
    drawn = await judge(model, [place], [place.judged], { samples, seed, signal, onProgress });
    bound = spanBound(place, estimate(replicateTotals(drawn)));
  }
  const absorbing = model.score.graph.mask !== undefined;
  if (!absorbing && !bound)
    throw new UserError(
      "the law at a hole needs an absorb model: under uniform no state means unknown; put a text to judge between the brackets",
    );
  const positions = absorbing ? await positionLaws(model, place, { top, signal }) : [];
  return {
    model: model.name,
    text: place.text,
    ...(bound ? { bound } : {}),
    positions,
    protocol: await protocolOf(model, [place], seed, drawn),
  };
}

/**
 * Ranks fillings of a query's spans, all judged under the same times and, as far as they have the same number of tokens, the same corruption.
 *
 * @param candidates for each, one text a span (or a text alone where there is one span); what stands between the brackets itself is not among them
 */
export async function rankCandidates(
  model: ScoredModel,
  template: string,
  candidates: readonly (string | readonly string[])[],
  options: Omit<ScoreOptions, "top"> = {},
): Promise<Ranking> {
  const { samples = 64, seed = 0, signal, onProgress } = checked(options);
  const segments = parseQuery(template);
  const spans = segments.filter(({ kind }) => kind === "judged").length;
  if (spans === 0) throw new UserError('the template has no place for candidates; mark it, for example "Once[[ upon a time]] there"');
  if (candidates.length === 0) throw new UserError("there are no candidates; give at least one");
  const parts = candidates.map((candidate) => (typeof candidate === "string" ? [candidate] : [...candidate]));
  const places = parts.map((texts, c) => {
    if (texts.length !== spans || texts.includes(""))
      throw new UserError(
        `candidate ${c + 1}, ${JSON.stringify(texts)}: expected one text, not empty, for each of the ${spans} places of the template`,
      );
    let next = 0;
    return layoutQuery(
      model,
      segments.map((segment) => (segment.kind === "judged" ? { ...segment, text: texts[next++]! } : segment)),
      options.length,
    );
  });
  // Positions, not their number alone: of two candidates that share out the same tokens otherwise, the rest is another text too.
  const one = places.every(({ judged }) => judged.join() === places[0]!.judged.join());
  const run = { samples, seed, signal, onProgress };
  const own = await judge(
    model,
    places,
    places.map(({ judged }) => judged),
    run,
  );
  // p(candidate | rest) at other positions is of another text: comparable is what candidate and surroundings have together.
  const joint = one
    ? own
    : await judge(
        model,
        places,
        places.map(({ judged, around }) => Int32Array.from([...judged, ...around]).sort()),
        run,
      );
  const totals = places.map((_, w) => estimate(replicateTotals(joint, w)).total);
  const best = totals.indexOf(Math.min(...totals));
  const ranked = places.map((place, w): Candidate => {
    const { total, standardError } = compareBounds(joint, joint, w, best);
    return {
      parts: parts[w]!,
      ...spanBound(place, estimate(replicateTotals(own, w))),
      jointNats: totals[w]!,
      difference: total,
      differenceError: standardError,
    };
  });
  ranked.sort((a, b) => a.difference - b.difference);
  return { model: model.name, candidates: ranked, protocol: await protocolOf(model, places, seed, own) };
}

/** A query on its positions. */
export interface Place {
  /** Tokens, holes as MASK (absorb); hidden are they to every question but their own. */
  readonly tokens: Int32Array;
  /** Positions to judge, positions of holes, and the given ones around what is judged. */
  readonly judged: Int32Array;
  readonly open: Int32Array;
  readonly around: Int32Array;
  readonly text: string;
  readonly characters: number;
}

function layoutQuery({ tokenizer, config, score }: ScoredModel, segments: readonly (Segment | Judged)[], wanted?: number): Place {
  const limit = longestOf(config);
  const length = wanted ?? config.length;
  if (!Number.isSafeInteger(length) || length < 1 || length > limit)
    throw new UserError(`length ${String(length)}: must be a whole number from 1 to ${limit} (${longestReason(config)})`);
  const range = segments.find((segment) => segment.kind === "hole" && typeof segment.tokens === "object");
  if (range)
    throw new UserError(`the hole at character ${range.at} of the template is a range; a query takes one length, for example [[8]]`);
  const plain = segments.map((segment): Segment => (segment.kind === "judged" ? { ...segment, kind: "text" } : segment));
  const layout: Layout = layoutTemplate(plain, (text) => tokenizer.encode(text), { length, limit });
  const positions = (wanted: (segment: Segment | Judged) => boolean) =>
    Int32Array.from(
      layout.spans.flatMap(({ begin, end }, k) => (wanted(segments[k]!) ? Array.from({ length: end - begin }, (_, i) => begin + i) : [])),
    );
  const judged = positions(({ kind }) => kind === "judged");
  const open = positions(({ kind }) => kind === "hole");
  const { mask } = score.graph;
  if (mask === undefined && open.length > 0)
    throw new UserError("a query with a hole needs an absorb model: under uniform no state means unknown");
  const which = [...segments.keys()].filter((k) => segments[k]!.kind === "judged");
  const inside = new Set(judged);
  return {
    tokens: layout.given.map((token) => (token === -1 ? mask! : token)),
    judged,
    open,
    around: aroundSpans(layout, which).filter((i) => !inside.has(i)),
    text: layout.spans.map(({ begin, end, text }) => text ?? "▁".repeat(end - begin)).join(""),
    characters: segments.reduce((sum, segment) => sum + (segment.kind === "judged" ? [...segment.text].length : 0), 0),
  };
}

function judge(
  { score, config }: ScoredModel,
  places: readonly Place[],
  free: readonly Int32Array[],
  {
    samples,
    seed,
    signal,
    onProgress,
  }: { samples: number; seed: number; signal: AbortSignal | undefined; onProgress: ScoreOptions["onProgress"] },
): Promise<BoundSamples> {
  const longest = Math.max(...places.map(({ tokens }) => tokens.length));
  return boundSamples(
    score,
    noiseFrom(config.sedd.noise),
    // What a hole holds is unknown: it is masked in every copy, whatever token stands here.
    places.map(({ tokens, open }) => tokens.map((token, i) => (open.includes(i) ? 0 : token))),
    {
      samples,
      random: random(seed, QUERY_STREAM),
      free,
      hidden: places.map(({ open }) => open),
      paired: true,
      maxRows: rowsPerCall(longest),
      signal,
      pause: macrotask,
      onProgress,
    },
  );
}

function spanBound({ judged, characters }: Place, { total, standardError }: { total: number; standardError: number }): SpanBound {
  return { tokenCount: judged.length, characters, nats: total, standardError, natsPerToken: total / judged.length };
}

function checked<T extends ScoreOptions>(options: T): T {
  requireSeed(options.seed ?? 0);
  const { top = 5 } = options;
  if (!Number.isSafeInteger(top) || top < 0) throw new UserError(`top ${String(top)}: must be a whole number of at least 0`);
  return options;
}

async function protocolOf(
  { score, config, parameters }: ScoredModel,
  places: readonly Place[],
  seed: number,
  drawn?: BoundSamples,
): Promise<QueryProtocol> {
  const holes = places.some(({ open }) => open.length > 0) ? ", its holes masked throughout" : "";
  return {
    bound: `-log p(judged | rest) of the continuous-time reverse process that begins with the rest in place${holes}`,
    conditioning: score.graph.mask === undefined ? "clamped" : "exact",
    samples: drawn?.samples ?? 0,
    replicates: drawn?.replicates ?? 0,
    seed,
    graph: score.graph.kind,
    parameterization: config.sedd.parameterization,
    weights: await fingerprint(parameters),
    version: packageVersion,
  };
}
