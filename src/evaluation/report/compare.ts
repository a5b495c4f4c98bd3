/** What two estimates, or two curves, say of each other, and how much of it their errors leave. */
import type { Estimate, Given, Model } from "./schema.ts";

/** Differences of fewer combined standard errors than this say nothing. */
export const THRESHOLD = 2;

/** The errors are taken as independent: under one noise the true error is mostly smaller. */
export const difference = (a: Estimate, b: Estimate): Estimate => ({
  value: a.value - b.value,
  standardError: Math.hypot(a.standardError, b.standardError),
});

/** How many of its errors an estimate is away from 0. */
export const timesError = ({ value, standardError }: Estimate): number => (value === 0 ? 0 : Math.abs(value) / standardError);

/** −1, 1: the first is lower, higher; 0: the errors do not let us tell. */
export const order = (a: Estimate, b: Estimate): -1 | 0 | 1 => {
  const gap = difference(a, b);
  if (timesError(gap) < THRESHOLD) return 0;
  return gap.value < 0 ? -1 : 1;
};

export interface CurvePoint {
  readonly x: number;
  readonly y: Estimate;
}

/**
 * A curve between its points, which ascend in x, by straight lines; `undefined` beyond them. Neighbours' errors are taken as one: an upper limit, and true where
 * both were measured under one noise.
 */
export function interpolate(points: readonly CurvePoint[], x: number): (Estimate & { readonly slope: number }) | undefined {
  const after = points.findIndex((point) => point.x >= x);
  if (after === -1 || (after === 0 && points[0]!.x !== x)) return undefined;
  const [a, b] = [points[Math.max(0, after - 1)]!, points[after]!];
  const share = a === b ? 0 : (x - a.x) / (b.x - a.x);
  const between = (one: number, other: number): number => one + share * (other - one);
  return {
    value: between(a.y.value, b.y.value),
    standardError: between(a.y.standardError, b.y.standardError),
    slope: a === b ? 0 : (b.y.value - a.y.value) / (b.x - a.x),
  };
}

export interface Meeting {
  /** Steps that take as long as the other's text, and the perplexity they give; `undefined` where no number of steps that was measured takes so long. */
  readonly sameTime?: { readonly steps: number; readonly perplexity: Estimate };
  /** The fewest steps whose perplexity is not above the other's, as far as errors tell, and what they take; `undefined` where none that was measured is. */
  readonly sameQuality?: { readonly steps: number; readonly seconds: number };
  /** Whether some number of steps has a perplexity below the other's, beyond the errors. */
  readonly certain: boolean;
}

type Quality = Given<Model["quality"]>;
type QualityPoint = Quality["points"][number];

/** Where a curve of quality against steps meets a model that has one point only. Between points all is straight in logarithms. */
export function meeting({ points }: Pick<Quality, "points">, other: QualityPoint): Meeting {
  const bySeconds = (of: (point: QualityPoint) => Estimate): CurvePoint[] =>
    points.map((point) => ({ x: Math.log(point.seconds.value), y: logOf(of(point)) }));
  const at = Math.log(other.seconds.value);
  const perplexities = bySeconds(({ perplexity }) => perplexity);
  const perplexity = interpolate(perplexities, at);
  const steps = interpolate(bySeconds(stepsOf), at);
  const clock = Math.hypot(...[other, points[0]!].map(({ seconds }) => logOf(seconds).standardError));
  const orders = points.map((point) => order(point.perplexity, other.perplexity));
  const reached = orders.findIndex((one) => one <= 0);
  return {
    ...(perplexity &&
      steps && {
        sameTime: {
          steps: Math.exp(steps.value),
          perplexity: exponential({ ...perplexity, standardError: Math.hypot(perplexity.standardError, perplexity.slope * clock) }),
        },
      }),
    ...(reached >= 0 && { sameQuality: crossing(points[Math.max(0, reached - 1)]!, points[reached]!, other.perplexity.value) }),
    certain: orders.includes(-1),
  };
}

/** Where the line between two points (in logarithms) comes down to a perplexity; the second one, where that is still above it. */
function crossing(a: QualityPoint, b: QualityPoint, perplexity: number): { steps: number; seconds: number } {
  const [from, to, target] = [a.perplexity.value, b.perplexity.value, perplexity].map(Math.log) as [number, number, number];
  const share = to >= target || from === to ? 1 : (target - from) / (to - from);
  const between = (one: number, two: number): number => Math.exp(Math.log(one) + share * Math.log(two / one));
  return { steps: between(a.steps, b.steps), seconds: between(a.seconds.value, b.seconds.value) };
}

const stepsOf = ({ steps }: QualityPoint): Estimate => ({ value: steps, standardError: 0 });
const logOf = ({ value, standardError }: Estimate): Estimate => ({ value: Math.log(value), standardError: standardError / value });
const exponential = ({ value, standardError }: Estimate): Estimate => ({
  value: Math.exp(value),
  standardError: Math.exp(value) * standardError,
});
