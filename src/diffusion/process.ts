/**
 * The process of one token as whole matrices, for teaching and for pages that show it: what samplers and losses use column by column (graph.ts).
 * A matrix is an array of rows, `m[y]![x]`: to state y from state x (column convention), so that laws are columns and
 *   dp/dσ = Q p,   p_σ = exp(σQ) p_0,   s_y(x) = p_σ(y)/p_σ(x),   Q̄(y,x) = s_y(x) Q(x,y) for y ≠ x,   −dp/dσ = Q̄ p backwards in σ.
 * Small vocabularies only: S² numbers. Lou, Meng, Ermon 2024, sections 2 and 3.
 */
import { UserError } from "../platform/errors.ts";
import type { Graph } from "./graph.ts";
import type { DenseScore } from "./score.ts";

/** Rows of a square matrix: `m[y]![x]` belongs to the way from x to y. */
export type Matrix = readonly Float64Array[];

/**
 * The rate matrix Q [S×S]; each column sums to 0.
 *
 * @example rateMatrix(absorb(1)) // [[-1, 0], [1, 0]]: the token leaves for MASK at rate 1, which keeps what it has
 */
export const rateMatrix = (graph: Graph): Matrix => Array.from({ length: graph.states }, (_, y) => graph.rateInto(y));

/**
 * The transition matrix exp(σQ) [S×S]: column x is the law after noise σ of a token that began as x.
 *
 * @param sigma total noise in nats, at least 0
 * @throws UserError for a σ that is no amount of noise
 * @example transitionMatrix(uniform(2), Math.log(2)) // [[0.75, 0.25], [0.25, 0.75]]
 */
export function transitionMatrix(graph: Graph, sigma: number): Matrix {
  checkSigma("transitionMatrix", sigma);
  return Array.from({ length: graph.states }, (_, y) => graph.transitionInto(y, sigma));
}

/**
 * The law of a token after noise σ, p_σ = exp(σQ) p_0 [S].
 *
 * @param p0 the law of the clean token, [V]
 * @throws UserError when p0 is no law over the graph's tokens or σ no amount of noise
 * @example marginal(absorb(2), [0.75, 0.25], Math.log(2)) // [0.375, 0.125, 0.5]
 */
export function marginal(graph: Graph, p0: ArrayLike<number>, sigma: number): Float64Array {
  checkSigma("marginal", sigma);
  checkLaw(p0, graph.vocabularySize);
  // exp(σQ) = e^{−σ} I + (1 − e^{−σ}) π𝟙ᵀ, and p_0 sums to 1.
  return Float64Array.from({ length: graph.states }, (_, y) => Math.exp(-sigma) * (p0[y] ?? 0) - Math.expm1(-sigma) * graph.limit(y));
}

/**
 * The exact concrete score of a law p [S]: `score[y]![x]` = s_y(x) = p(y)/p(x), 1 on the diagonal. A column of a state that has no probability, where
 * there is no ratio, is 0 besides.
 *
 * @example concreteScore(marginal(absorb(2), [0.75, 0.25], 1)) // column 2, at MASK: [0.4365…, 0.1455…, 1] = p0 / (e^σ − 1), and 1
 */
export const concreteScore = (p: ArrayLike<number>): Matrix =>
  Array.from({ length: p.length }, (_, y) =>
    Float64Array.from({ length: p.length }, (__, x) => (x === y ? 1 : p[x]! > 0 ? p[y]! / p[x]! : 0)),
  );

/**
 * The reverse rate matrix Q̄ [S×S] of a score: Q̄(y,x) = s_y(x) Q(x,y) for y ≠ x, and columns sum to 0. With the exact score it turns the noise back:
 * along σ decreasing, p_σ follows it.
 *
 * @param score `score[y]![x]` = s_y at state x, [S×S], such as {@link concreteScore} or {@link scoreAtPosition} give
 * @throws UserError for a matrix of another size
 * @example
 * const graph = uniform(3);
 * const p = marginal(graph, [0.5, 0.5, 0], 0.1);
 * reverseRateMatrix(graph, concreteScore(p)); // column 2 empties into the states 0 and 1, fast: little noise could have led there
 */
export function reverseRateMatrix(graph: Graph, score: Matrix): Matrix {
  const { states } = graph;
  if (score.length !== states || score.some((row) => row.length !== states))
    throw new UserError(`reverseRateMatrix: a score of ${states} × ${states} numbers is needed, one column a state`);
  const columns = Array.from({ length: states }, (_, x) =>
    graph.reverseRate(
      x,
      score.map((row) => row[x]!),
    ),
  );
  return Array.from({ length: states }, (_, y) => Float64Array.from(columns, (column) => column[y]!));
}

/**
 * What a score says of one position of a text whose other positions hold still: `score[y]![x]` = s_y with the position at x. One call, with the position
 * put to every state in turn; {@link reverseRateMatrix} makes rates of it.
 *
 * @param score log-scores, as `sampleFrom` takes them
 * @param tokens the noisy text, [length]
 * @param position which of them, from 0
 * @throws UserError when there is no such position; Error for a score of the wrong length
 * @example reverseRateMatrix(graph, await scoreAtPosition(score, graph, text, 0.5, 3))
 */
export async function scoreAtPosition(
  score: DenseScore,
  graph: Graph,
  tokens: ArrayLike<number>,
  sigma: number,
  position: number,
): Promise<Matrix> {
  const { states } = graph;
  const { length } = tokens;
  checkSigma("scoreAtPosition", sigma);
  if (!(Number.isSafeInteger(position) && position >= 0 && position < length))
    throw new UserError(`scoreAtPosition: there is no position ${position}; the text has positions 0 to ${length - 1}`);
  const rows = Int32Array.from({ length: states * length }, (_, k) =>
    k % length === position ? Math.floor(k / length) : tokens[k % length]!,
  );
  const all = await score(rows, new Float64Array(states).fill(sigma));
  if (all.length !== rows.length * states)
    throw new Error(`the score returned ${all.length} numbers, not ${states} rows × ${length} positions × ${states} states`);
  return Array.from({ length: states }, (_, y) =>
    Float64Array.from({ length: states }, (__, x) => (x === y ? 1 : Math.exp(all[(x * length + position) * states + y]!))),
  );
}

function checkSigma(name: string, sigma: number): void {
  if (!(sigma >= 0 && sigma < Infinity)) throw new UserError(`${name}: sigma must be a finite number of at least 0, got ${sigma}`);
}

function checkLaw(p0: ArrayLike<number>, vocabularySize: number): void {
  if (p0.length !== vocabularySize) throw new UserError(`marginal: p0 has ${p0.length} entries, the graph ${vocabularySize} tokens`);
  let total = 0;
  for (let y = 0; y < p0.length; y++) {
    if (!(p0[y]! >= 0)) throw new UserError(`marginal: p0 has the entry ${p0[y]} at ${y}; probabilities are at least 0`);
    total += p0[y]!;
  }
  // A law that was normalised in float32 passes.
  if (!(Math.abs(total - 1) < 1e-5)) throw new UserError(`marginal: p0 sums to ${total}; the entries of a law sum to 1`);
}
