/**
 * Truth by enumeration: a distribution over all sequences of a small vocabulary, its noisy marginals, its exact concrete score, and the exactly propagated
 * law of any sampler that draws positions independently. Nothing here uses the sampler; the step's own weights are handed in.
 */
import type { Graph } from "../../src/diffusion/graph.ts";

/** States of `length` positions with `base` values each, first position slowest. */
export interface Space {
  readonly base: number;
  readonly length: number;
  readonly size: number;
  at(index: number): Int32Array;
  index(state: ArrayLike<number>, offset?: number): number;
}

export function space(base: number, length: number): Space {
  const size = base ** length;
  return {
    base,
    length,
    size,
    at: (index) => Int32Array.from({ length }, (_, i) => Math.floor(index / base ** (length - 1 - i)) % base),
    index(state, offset = 0) {
      let out = 0;
      for (let i = 0; i < length; i++) out = out * base + state[offset + i]!;
      return out;
    },
  };
}

export interface Oracle {
  readonly graph: Graph;
  readonly length: number;
  /** Law of clean sequences, [V^length]. */
  readonly p0: Float64Array;
  readonly clean: Space;
  readonly noisy: Space;
  /** p_σ over noisy states. */
  marginal(sigma: number): Float64Array;
  /** p(x_σ = x | x0), product over positions. */
  forward(x0: Int32Array, x: Int32Array, sigma: number): number;
  /** Exact log-scores [length·states] at a noisy state; memoised by (σ, state). */
  logScore(sigma: number, state: number): Float64Array;
  /** The exact score as `sampleFrom` takes it. */
  readonly score: (tokens: Int32Array, sigma: Float64Array) => Float64Array;
}

export function oracle(graph: Graph, p0: Float64Array, length: number): Oracle {
  const clean = space(graph.vocabularySize, length);
  const noisy = space(graph.states, length);
  const cleanStates = Array.from({ length: clean.size }, (_, k) => clean.at(k));
  const noisyStates = Array.from({ length: noisy.size }, (_, k) => noisy.at(k));
  const tables = new Map<number, { marginal: Float64Array; scores: (Float64Array | undefined)[] }>();
  const table = (sigma: number) => {
    let found = tables.get(sigma);
    if (!found) tables.set(sigma, (found = { marginal: marginalAt(sigma), scores: Array.from({ length: noisy.size }) }));
    return found;
  };
  const columns = (sigma: number) => Array.from({ length: graph.vocabularySize }, (_, x) => graph.transition(x, sigma));
  const marginalAt = (sigma: number) => {
    const column = columns(sigma);
    return Float64Array.from(noisyStates, (x) =>
      cleanStates.reduce((sum, x0, k) => sum + p0[k]! * x0.reduce((p, token, i) => p * column[token]![x[i]!]!, 1), 0),
    );
  };
  const logScore = (sigma: number, state: number) => {
    const { marginal, scores } = table(sigma);
    return (scores[state] ??= Float64Array.from({ length: length * graph.states }, (_, k) => {
      const other = noisyStates[state]!.slice();
      other[Math.floor(k / graph.states)] = k % graph.states;
      return Math.log(marginal[noisy.index(other)]! / marginal[state]!);
    }));
  };
  return {
    graph,
    length,
    p0,
    clean,
    noisy,
    logScore,
    marginal: (sigma) => table(sigma).marginal,
    forward: (x0, x, sigma) => x0.reduce((p, token, i) => p * graph.transition(token, sigma)[x[i]!]!, 1),
    score(tokens, sigma) {
      const out = new Float64Array(tokens.length * graph.states);
      sigma.forEach((s, r) => out.set(logScore(s, noisy.index(tokens, r * length)), r * length * graph.states));
      return out;
    },
  };
}

/** A law over noisy states after one step in which position i of state x goes to y with probability step(x, i)[y], independently. */
export function propagate(law: Float64Array, states: Space, step: (state: number, i: number) => Float64Array): Float64Array {
  const out = new Float64Array(states.size);
  const walk = (x: number, i: number, index: number, p: number): void => {
    if (p === 0) return;
    if (i === states.length) out[index]! += p;
    else step(x, i).forEach((q, y) => walk(x, i + 1, index * states.base + y, p * q));
  };
  law.forEach((p, x) => walk(x, 0, 0, p));
  return out;
}

/** The law with which sampling starts, with what is given (−1 at holes) in its place. */
export function startLaw(graph: Graph, states: Space, given?: Int32Array): Float64Array {
  return Float64Array.from({ length: states.size }, (_, k) =>
    states.at(k).reduce((p, x, i) => p * (given && given[i] !== -1 ? Number(x === given[i]) : graph.limit(x)), 1),
  );
}

/** A law over noisy states as one over clean ones (what lies elsewhere must be nothing). */
export function onClean(law: Float64Array, { clean, noisy }: Oracle): Float64Array {
  return Float64Array.from({ length: clean.size }, (_, k) => law[noisy.index(clean.at(k))]!);
}
