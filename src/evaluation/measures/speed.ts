/** Tokens a second at equal quality: with as many steps as bring a model's texts to the perplexity of another one's. */
import { meeting } from "../report/compare.ts";
import type { Estimate } from "../report/schema.ts";
import type { QualityPoint } from "./quality.ts";

export interface Speed {
  readonly tokensPerSecond: Estimate;
  readonly perplexity: Estimate;
  readonly steps: number;
}

/** @returns undefined where no number of steps that was measured comes down to the other's perplexity */
export function speedAt(points: readonly QualityPoint[], other: QualityPoint, length: number): Speed | undefined {
  const at = (perplexity: number) => meeting({ points }, { ...other, perplexity: { value: perplexity, standardError: 0 } }).sameQuality;
  const { value, standardError } = other.perplexity;
  const here = at(value);
  if (!here) return undefined;
  const relative = ({ value, standardError }: Estimate): number => standardError / value;
  // How the seconds move when the perplexities move by their error.
  const nearest = points.reduce((one, two) => (Math.abs(two.steps - here.steps) < Math.abs(one.steps - here.steps) ? two : one));
  const step = Math.hypot(standardError / value, relative(nearest.perplexity));
  const moved = [value * Math.exp(step), value * Math.exp(-step)].map((perplexity) => Math.log((at(perplexity) ?? here).seconds));
  const error = Math.hypot(Math.abs(moved[0]! - moved[1]!) / 2, relative(nearest.seconds));
  const tokensPerSecond = length / here.seconds;
  return {
    tokensPerSecond: { value: tokensPerSecond, standardError: error * tokensPerSecond },
    perplexity: other.perplexity,
    steps: Math.max(1, Math.round(here.steps)),
  };
}
