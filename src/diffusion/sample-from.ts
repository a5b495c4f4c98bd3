/** Sampling from any score given as a function: a table, a formula, somebody else's network. The same loop that samples a model. */
import { macrotask } from "#platform";
import { UserError } from "../platform/errors.ts";
import { drawSeed } from "../platform/random.ts";
import type { Graph } from "./graph.ts";
import { run, type Frame, type RunOptions } from "./sampler.ts";
import { denseScore, type DenseScore } from "./score.ts";
import { prefix } from "./template.ts";

export interface SampleFromOptions extends Omit<RunOptions, "seed" | "pause"> {
  readonly graph: Graph;
  /** Drawn if left out. */
  readonly seed?: number | undefined;
  /** Tokens that every sequence begins with; `given` says the same and more. */
  readonly prompt?: ArrayLike<number> | undefined;
  /** Called with every frame, the first and the last included. */
  readonly onStep?: ((frame: Frame) => void) | undefined;
}

/**
 * Samples from a score.
 *
 * @param score log-scores [rows, length, states] of tokens [rows·length] at σ [rows]; rows ≤ count; the entry at the token itself is ignored
 * @returns one Int32Array of `length` tokens per sequence; sequence i depends on (seed, i) alone
 * @throws UserError for an option that cannot be; Error for a score of the wrong length or not a number; the signal's reason when aborted
 * @example
 * const graph = absorb(2);
 * const coin = (tokens, sigma) => Float64Array.from({ length: tokens.length * 3 }, () => Math.log(0.5 / Math.expm1(sigma[0])));
 * await sampleFrom(coin, { graph, noise: logLinear(), sampler: "analytic", length: 8, steps: 16, count: 2, seed: 1 });
 */
export async function sampleFrom(score: DenseScore, options: SampleFromOptions): Promise<Int32Array[]> {
  const { graph, prompt, onStep, seed = drawSeed(), ...rest } = options;
  if (prompt !== undefined && rest.given !== undefined) throw new UserError("prompt and given: use one of them (given can hold a prompt)");
  const given = prompt === undefined ? rest.given : prefix(prompt, rest.length);
  let tokens: Int32Array = new Int32Array(0);
  for await (const frame of run(denseScore(score, graph), { ...rest, given, seed, pause: macrotask })) {
    onStep?.(frame);
    tokens = frame.tokens;
  }
  return Array.from({ length: tokens.length / rest.length }, (_, i) => tokens.slice(i * rest.length, (i + 1) * rest.length));
}
