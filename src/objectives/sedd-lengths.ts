/** Templates with ranges `[[8-24]]`, settled by the model: see diffusion/hole-lengths.ts for the rule. */
import { macrotask } from "#platform";
import { chooseLengths, givenNats, type Range } from "../diffusion/hole-lengths.ts";
import type { Noise } from "../diffusion/noise.ts";
import type { ScoreModel } from "../diffusion/score.ts";
import { layoutTemplate, type Layout, type Segment } from "../diffusion/template.ts";
import { UserError } from "../platform/errors.ts";
import { requireSeed, rowsPerCall } from "./sedd-likelihood.ts";

export interface SettleOptions {
  readonly length: number;
  readonly limit: number;
  /** The chosen lengths depend on it alone. */
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A template laid out, its ranges settled first; `lengths` are theirs, in order, where there are any. A range ends where the room does.
 *
 * @throws UserError for a range whose longest is more than `limit` by itself, or whose shortest has no room beside the rest
 */
export async function layoutSettled(
  score: ScoreModel,
  noise: Noise,
  segments: readonly Segment[],
  encode: (text: string) => ArrayLike<number>,
  { length, limit, seed, signal }: SettleOptions,
): Promise<Layout & { readonly lengths?: number[] }> {
  const ranges = [...segments.keys()].filter((k) => rangeOf(segments[k]!));
  // Texts are encoded once, not once a candidate.
  const known = new Map<string, ArrayLike<number>>();
  const encodeOnce = (text: string) => known.get(text) ?? known.set(text, encode(text)).get(text)!;
  const layout = (lengths: readonly number[]) =>
    layoutTemplate(
      segments.map((segment, k) => (ranges.includes(k) ? { kind: "hole", tokens: lengths[ranges.indexOf(k)]!, at: segment.at } : segment)),
      encodeOnce,
      { length, limit },
    );
  if (ranges.length === 0) return layout([]);
  requireSeed(seed);
  const shown = (k: number): string => {
    const { min, max } = rangeOf(segments[k]!)!;
    return `the hole [[${min}-${max}]] at character ${segments[k]!.at} of the template`;
  };
  for (const k of ranges)
    if (rangeOf(segments[k]!)!.max > limit)
      throw new UserError(`${shown(k)}: its longest is more than the ${limit} tokens there is room for`);
  const least = segments.reduce((sum, segment) => sum + leastOf(segment, encodeOnce), 0);
  const open = segments.some((segment) => segment.kind === "hole" && segment.tokens === "rest");
  const most = open ? length : limit;
  if (least > most)
    throw new UserError(
      `${shown(ranges[0]!)}: with each range at its shortest the template needs ${least} tokens, and there is room for ${most}; give less text or shorter holes`,
    );
  const within = ranges.map((k): Range => {
    const { min, max } = rangeOf(segments[k]!)!;
    return { min, max: Math.min(max, min + most - least) };
  });
  const more = within.reduce((sum, { min, max }) => sum + max - min, 0);
  const maxRows = rowsPerCall(open ? length : Math.min(limit, least + more));
  const { lengths } = await chooseLengths(
    within,
    (combinations) => givenNats(score, noise, combinations.map(layout), ranges, { seed, signal, maxRows, pause: macrotask }),
    within.reduce((sum, { min }) => sum + min, most - least),
  );
  return { ...layout(lengths), lengths };
}

const rangeOf = (segment: Segment): Range | undefined =>
  segment.kind === "hole" && typeof segment.tokens === "object" ? segment.tokens : undefined;

/** Tokens that a segment takes at least. */
function leastOf(segment: Segment, encode: (text: string) => ArrayLike<number>): number {
  if (segment.kind === "text") return (segment.tokens ?? encode(segment.text)).length;
  if (typeof segment.tokens === "object") return segment.tokens.min;
  return segment.tokens === "rest" ? 1 : segment.tokens;
}
