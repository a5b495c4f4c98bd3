/** Averages over seeds, one for each number of steps. */
import type { Outcome } from "./compare.ts";

export interface Estimate {
  readonly mean: number;
  /** Standard error of the mean; not known of one run. */
  readonly error: number | undefined;
}

export interface Average {
  readonly steps: number;
  readonly runs: number;
  /** The bound, in nats a token. The error is the spread between seeds; of one run, the error of its own estimate. */
  readonly nats: Estimate;
  readonly milliseconds: Estimate;
}

export function estimate(values: readonly number[]): Estimate {
  const count = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { mean, error: undefined };
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (count - 1) / count) };
}

/** By steps, ascending. */
export const averages = (outcomes: readonly Outcome[]): readonly Average[] =>
  [...new Set(outcomes.map(({ steps }) => steps))]
    .sort((a, b) => a - b)
    .map((steps) => {
      const own = outcomes.filter((outcome) => outcome.steps === steps);
      const nats = estimate(own.map(({ bound }) => bound.natsPerToken));
      return {
        steps,
        runs: own.length,
        nats: { ...nats, error: nats.error ?? own[0]!.bound.standardError },
        milliseconds: estimate(own.map(({ milliseconds }) => milliseconds)),
      };
    });
