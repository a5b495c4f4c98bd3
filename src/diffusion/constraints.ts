/**
 * Constraints: which tokens a hole may be filled with. The law of a step at a constrained position, A being its allowed tokens:
 *   absorb    it moves with the probability that the law gives (when a position is unmasked does not depend on what it becomes), and then to y ∝ w_y on A;
 *   uniform   it starts evenly on A, never leaves A, and a step is the law's given that it ends in A, staying included: p(y) ∝ w_y on A.
 * A position with one allowed token is given: under absorb that conditions the others on it exactly, under uniform it is the clamp that every prompt is.
 * Otherwise a constraint is applied where the position is filled; the other positions do not know of it before, so that the result is the model's conditional law
 * only as far as they do not depend on it. MASK is never an allowed token.
 */
import { UserError } from "../platform/errors.ts";
import type { Graph } from "./graph.ts";

/** Tokens allowed or forbidden at some holes. Several constraints on a hole hold all at once. */
export interface Constraint {
  /** Positions of the sequence, all of them holes; left out: every hole. */
  readonly positions?: ArrayLike<number> | undefined;
  /** The only tokens there may be. */
  readonly allow?: ArrayLike<number> | undefined;
  /** Tokens that there may not be. */
  readonly forbid?: ArrayLike<number> | undefined;
  /** What an error calls it, where it is not one of those that were given: else its number among them. */
  readonly name?: string | undefined;
}

/** What a position may become. */
export interface Allowed {
  /** The tokens, ascending; at least two. */
  readonly tokens: Int32Array;
  /** [states], 1 at those tokens. */
  readonly table: Uint8Array;
}

export interface Restrictions {
  /** [length] tokens, −1 at holes; those with one allowed token are no longer holes. */
  readonly given: Int32Array;
  /** Of each position; undefined where every token is allowed. */
  readonly allowed: readonly (Allowed | undefined)[];
}

/**
 * Brings constraints to what each position may become.
 *
 * @param given [length] tokens, −1 at holes
 * @throws UserError for a position that is no hole, a token that does not exist, a constraint without tokens, and a hole that is left without any
 */
export function restrict(graph: Graph, given: Int32Array, constraints: readonly Constraint[]): Restrictions {
  const concerning = Array.from(given, (): number[] => []);
  constraints.forEach((constraint, c) => {
    check(graph, constraint, c);
    for (const position of constraint.positions ? Array.from(constraint.positions) : given.keys()) {
      if (constraint.positions && given[position] !== -1)
        throw new UserError(
          position in given
            ? `constraint ${c + 1}: position ${position} is given; constraints are for holes`
            : `constraint ${c + 1}: there is no position ${position}; positions are 0 to ${given.length - 1}`,
        );
      if (given[position] === -1) concerning[position]!.push(c);
    }
  });
  const made = new Map<string, Allowed>();
  const out = given.slice();
  const allowed = concerning.map((which, position) => {
    if (which.length === 0) return undefined;
    const key = which.join();
    const found =
      made.get(key) ??
      intersection(
        graph,
        which.map((c) => constraints[c]!),
      );
    made.set(key, found);
    if (found.tokens.length === 0) {
      const names = which.map((c) => constraints[c]!.name ?? `constraint ${c + 1}`);
      throw new UserError(
        `no token is allowed at position ${position}: ${names.join(" and ")} ${names.length > 1 ? "together leave" : "leaves"} none; allow more, or forbid less`,
      );
    }
    if (found.tokens.length > 1) return found;
    out[position] = found.tokens[0]!;
    return undefined;
  });
  return { given: out, allowed };
}

function intersection({ states, vocabularySize }: Graph, constraints: readonly Constraint[]): Allowed {
  const table = new Uint8Array(states).fill(1, 0, vocabularySize);
  for (const { allow, forbid } of constraints) {
    if (allow) {
      const own = new Uint8Array(states);
      for (const token of Array.from(allow)) own[token] = 1;
      for (let y = 0; y < states; y++) table[y]! &= own[y]!;
    }
    if (forbid) for (const token of Array.from(forbid)) table[token] = 0;
  }
  return { tokens: Int32Array.from([...table.keys()].filter((y) => table[y] === 1)), table };
}

function check({ vocabularySize }: Graph, { allow, forbid }: Constraint, c: number): void {
  if (!allow && !forbid) throw new UserError(`constraint ${c + 1}: says neither allow nor forbid; give tokens with one of them`);
  for (const token of [...Array.from(allow ?? []), ...Array.from(forbid ?? [])])
    if (!(Number.isSafeInteger(token) && token >= 0 && token < vocabularySize))
      throw new UserError(`constraint ${c + 1}: there is no token ${token}; tokens are 0 to ${vocabularySize - 1}`);
}
