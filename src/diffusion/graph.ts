/**
 * The forward process of one token: a continuous-time Markov chain whose every column leads to one limit law π,
 *   Q = π 𝟙ᵀ − I,   exp(σQ) = e^{−σ} I + (1 − e^{−σ}) π 𝟙ᵀ   (column convention, dp/dσ = Q p),
 * in words: after noise σ a token is untouched with probability e^{−σ}, else redrawn from π. Absorb has π = MASK, uniform π = 1/V; both
 * are built here from π alone (absorb.ts, uniform.ts), so each formula stands once. Positions are corrupted independently.
 */
import { UserError } from "../platform/errors.ts";
import type { Random } from "../platform/random.ts";

/** A diffusion graph over V tokens and S states (S = V, or V + 1 with a MASK as the last state). */
export interface Graph {
  readonly kind: "absorb" | "uniform";
  /** V: how many tokens a clean text is made of, 0 … V−1. */
  readonly vocabularySize: number;
  /** S: how many states a position of a noisy text can be in. */
  readonly states: number;
  /** The absorbing state, V, where there is one. */
  readonly mask?: number;
  /** π(x) at a state x that the reverse process can leave, and π(y) at all others. Absorb: 1 and 0; uniform: 1/V and 1/V. */
  readonly pull: { readonly here: number; readonly elsewhere: number };
  /** π(x). The reverse process can leave x exactly where this is positive: Q̄(y,x) = s_y Q(x,y) = s_y π(x). */
  limit(x: number): number;
  /** Column x of Q, [S]: the rate from x to each state. */
  rate(x: number): Float64Array;
  /** Row x of Q, [S]: the rate from each state to x. */
  rateInto(x: number): Float64Array;
  /** Column x of exp(σQ), [S]: the law of a token that began as x, after noise σ. */
  transition(x: number, sigma: number): Float64Array;
  /** Row x of exp(σQ), [S]: the probability to be at x after noise σ, for each beginning. */
  transitionInto(x: number, sigma: number): Float64Array;
  /** exp(−ΔQ) s for a concrete score s [S] (1 at the current state): the score seen from noise smaller by Δ. */
  staggeredScore(score: ArrayLike<number>, delta: number): Float64Array;
  /** Column x of the reverse rate matrix, [S]: s_y Q(x,y) for y ≠ x, and minus their sum at x. */
  reverseRate(x: number, score: ArrayLike<number>): Float64Array;
  /** Noisy tokens: each position of `tokens` [rows·length] through exp(σQ) with its row's σ [rows]. */
  corrupt(tokens: Int32Array, sigma: Float64Array, random: Random): Int32Array;
  /** `length` positions drawn from the limit law, where sampling starts. */
  prior(length: number, random: Random): Int32Array;
}

/** MASK of an absorb graph; a UserError that `what` needs one, and what would do `instead`. */
export function maskOf({ mask, kind }: Graph, what: string, instead: string): number {
  if (mask === undefined) throw new UserError(`${what} needs the absorb graph, got ${kind}; use ${instead}`);
  return mask;
}

/** A graph from its limit law. `draw` draws from π. */
export function graphWithLimit(
  shape: Pick<Graph, "kind" | "vocabularySize" | "states" | "mask" | "pull">,
  limit: (x: number) => number,
  draw: (random: Random) => number,
): Graph {
  const { states, vocabularySize, kind } = shape;
  if (!Number.isSafeInteger(vocabularySize) || vocabularySize < 1)
    throw new UserError(`${kind}: the vocabulary size must be a whole number of at least 1, got ${vocabularySize}`);
  const fill = (f: (y: number) => number) => Float64Array.from({ length: states }, (_, y) => f(y));
  const same = (x: number, y: number) => (x === y ? 1 : 0);
  return {
    ...shape,
    limit,
    rate: (x) => fill((y) => limit(y) - same(x, y)),
    rateInto: (x) => fill((y) => limit(x) - same(x, y)),
    transition: (x, sigma) => fill((y) => same(x, y) * Math.exp(-sigma) - Math.expm1(-sigma) * limit(y)),
    transitionInto: (x, sigma) => fill((y) => same(x, y) * Math.exp(-sigma) - Math.expm1(-sigma) * limit(x)),
    staggeredScore(score, delta) {
      let total = 0;
      for (let y = 0; y < states; y++) total += score[y]!;
      return fill((y) => Math.exp(delta) * score[y]! - Math.expm1(delta) * total * limit(y));
    },
    reverseRate(x, score) {
      const out = fill((y) => (y === x ? 0 : score[y]! * limit(x)));
      out[x] = -out.reduce((sum, rate) => sum + rate, 0);
      return out;
    },
    corrupt(tokens, sigma, random) {
      const rows = sigma.length;
      if (rows === 0 || tokens.length % rows !== 0)
        throw new Error(`corrupt: ${tokens.length} tokens do not divide into the ${rows} rows that sigma has`);
      const length = tokens.length / rows;
      return tokens.map((token, i) => (random.uniform() < -Math.expm1(-sigma[Math.floor(i / length)]!) ? draw(random) : token));
    },
    prior: (length, random) => Int32Array.from({ length }, () => draw(random)),
  };
}
