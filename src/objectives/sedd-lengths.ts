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

/** A template laid out, its ranges settled first; `lengths` are theirs, in order, where there are any. */
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
  const longest = ranges.map((k) => rangeOf(segments[k]!)!.max);
  for (const k of ranges) {
    const { min, max } = rangeOf(segments[k]!)!;
    if (max > limit)
      throw new UserError(
        `the hole [[${min}-${max}]] at character ${segments[k]!.at} of the template: its longest is more than the ${limit} tokens there is room for`,
      );
  }
  const maxRows = rowsPerCall(layout(longest).given.length);
  const { lengths } = await chooseLengths(
    ranges.map((k) => rangeOf(segments[k]!)!),
    (combinations) => givenNats(score, noise, combinations.map(layout), ranges, { seed, signal, maxRows, pause: macrotask }),
  );
  return { ...layout(lengths), lengths };
}

const rangeOf = (segment: Segment): Range | undefined =>
  segment.kind === "hole" && typeof segment.tokens === "object" ? segment.tokens : undefined;
