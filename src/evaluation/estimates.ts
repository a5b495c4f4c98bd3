/** Means of a few numbers, each with the standard error that their spread gives it. */
import { estimate } from "../diffusion/bound.ts";
import type { Estimate } from "./report/schema.ts";

/** The mean of independent values, of which there are at least two; a single value has no spread, and counts as exact. */
export function meanOf(values: ArrayLike<number>): Estimate {
  const { total, standardError } = estimate(values);
  return { value: total, standardError };
}

/** exp(Σ nats / Σ tokens) of independent texts: averaged over tokens first, with the linearised error of the quotient. */
export function perplexityOf(texts: readonly { readonly nats: number; readonly tokens: number }[]): Estimate {
  const { value, standardError } = quotientOf(
    texts.map(({ nats }) => nats),
    texts.map(({ tokens }) => tokens),
  );
  const perplexity = Math.exp(value);
  return { value: perplexity, standardError: perplexity * standardError };
}

/** Σa / Σb over independent pairs (a, b). */
export function quotientOf(a: readonly number[], b: readonly number[]): Estimate {
  const sum = (values: readonly number[]): number => values.reduce((one, other) => one + other, 0);
  const value = sum(a) / sum(b);
  const residuals = a.map((nats, i) => nats - value * b[i]!);
  return { value, standardError: (meanOf(residuals).standardError * a.length) / sum(b) };
}
