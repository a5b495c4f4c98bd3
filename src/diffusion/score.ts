/**
 * What a sampler or a likelihood bound asks of a concrete score s_y = p_σ(…y…) / p_σ(…x…), and how a dense array of log-scores answers.
 * A network implements the same interface elsewhere and moves far less: one sum per position, whole rows only where a token is drawn.
 */
import type { Graph } from "./graph.ts";

/** A concrete score, evaluated at a batch of sequences. */
export interface ScoreModel {
  readonly graph: Graph;
  /** Σ s of the asked positions at noise `sigma`, where the parameterisation fixes it: a step in which nothing leaves then needs no call. */
  knownSum?(sigma: number): number;
  /** Tells that a run begins; what it returns, that it ended. A score that joins the calls of several runs waits for those that are on their way. */
  join?(): () => void;
  /** The same score for one run alone, where it keeps what it has computed of the run's texts. */
  forRun?(): ScoreModel;
  /**
   * @param tokens [rows·length] noisy states
   * @param sigma [rows] total noise of each row
   * @param positions flat indices row·length + i that will be asked about
   */
  evaluate(tokens: Int32Array, sigma: Float64Array, positions: Int32Array): Promise<ScoreAt>;
}

/** The answer: valid until the next `evaluate` of its model, and may be asked any number of times until then. */
export interface ScoreAt {
  /** Σ_{y≠x} s_y (absorb, at a MASK x: over y ≠ MASK) at every asked position, natural units, float64. */
  sums(): Promise<Float64Array>;
  /** log s_y at one target y per asked position. */
  at(targets: Int32Array): Promise<Float64Array>;
  /** Whole rows of log-scores [which.length · states] at the positions indexed by `which` (indices into `positions`); the entry at the token itself means nothing. */
  rows(which: Int32Array): Promise<Float32Array | Float64Array>;
}

/** As many log-scores as are asked for at once (8 MiB of float32). */
const rowEntries = 2 ** 21;

/** The indices 0 … count−1 in pieces, each as many rows as may be asked for at once. */
export function* piecesOfRows(count: number, states: number): Generator<Int32Array> {
  const piece = Math.max(1, Math.floor(rowEntries / states));
  for (let start = 0; start < count; start += piece) yield Int32Array.from({ length: Math.min(piece, count - start) }, (_, k) => start + k);
}

/** Log-scores as a plain function: tokens [rows·length] and σ [rows] to [rows, length, states]; the entry at the token itself is ignored. */
export type DenseScore = (tokens: Int32Array, sigma: Float64Array) => Float32Array | Float64Array | Promise<Float32Array | Float64Array>;

/**
 * Adapts a function that returns all log-scores. A wrong length, a NaN or a +Infinity at an asked position is an Error that names the place; −Infinity is a
 * score of zero.
 */
export function denseScore(score: DenseScore, graph: Graph): ScoreModel {
  const { states } = graph;
  return {
    graph,
    async evaluate(tokens, sigma, positions) {
      const length = tokens.length / sigma.length;
      // The function gets copies: what it does to its arguments is no concern of the sampler's.
      const all = await score(tokens.slice(), sigma.slice());
      if (all.length !== tokens.length * states)
        throw new Error(`the score returned ${all.length} numbers, not ${sigma.length} rows × ${length} positions × ${states} states`);
      const own = positions.map((position) => tokens[position]!);
      positions.forEach((position, j) =>
        checkRow(all, position * states, states, own[j]!, () => `row ${Math.floor(position / length)}, position ${position % length}`),
      );
      return {
        sums: async () => Float64Array.from(positions, (position, j) => sumOfOthers(all, position * states, states, own[j]!)),
        at: async (targets) =>
          Float64Array.from(positions, (position, j) => (targets[j] === own[j] ? 0 : all[position * states + targets[j]!]!)),
        rows: async (which) => {
          const out = new Float64Array(which.length * states);
          which.forEach((j, k) => out.set(all.subarray(positions[j]! * states, (positions[j]! + 1) * states), k * states));
          return out;
        },
      };
    },
  };
}

/** Σ_{y≠x} e^{l_y} over one row of log-scores. */
function sumOfOthers(all: Float32Array | Float64Array, start: number, states: number, x: number): number {
  let sum = 0;
  for (let y = 0; y < states; y++) if (y !== x) sum += Math.exp(all[start + y]!);
  return sum;
}

function checkRow(all: Float32Array | Float64Array, start: number, states: number, x: number, place: () => string): void {
  for (let y = 0; y < states; y++) {
    const value = all[start + y]!;
    if (!(value < Infinity) && y !== x)
      throw new Error(`the score at ${place()}, state ${y} is ${value}; a log-score is finite, or −Infinity`);
  }
}
