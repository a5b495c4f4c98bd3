/**
 * One stage carried out on some sequences of a batch: at each position, does it move (one uniform number and Σ), then where to (one more number and a whole row of
 * scores). What the score is not needed for costs no call: where Σ is known beforehand, a stage in which nothing moves makes none.
 */
import type { Random } from "../platform/random.ts";
import { drawTarget, mayLeave, type Law, type Targets } from "./law.ts";
import type { Stage } from "./schedule.ts";
import { piecesOfRows, type ScoreAt, type ScoreModel } from "./score.ts";

/** Sequences while they are sampled. */
export interface Batch {
  /** [count·length] states, changed in place. */
  readonly tokens: Int32Array;
  readonly length: number;
  /** Positions of a sequence that are not given, ascending. */
  readonly holes: Int32Array;
  /** One stream a sequence. */
  readonly randoms: readonly Random[];
  /** Of each position of a sequence: what changes its targets. */
  readonly targets: readonly Targets[];
}

/** What stages did, as a frame tells it; {@link drawStage} adds to it. */
export interface Changes {
  /** Flat indices into the batch's tokens, ascending. */
  readonly positions: number[];
  /** Aligned with them: the probability of the state that was drawn. */
  readonly probability: number[];
  /** Weights cut at 0. */
  cut: number;
  /** Calls of the score. */
  calls: number;
}

/** Carries out `stage` on the `rows` sequences from `first` on. Every sequence uses its own stream in its own order. */
export async function drawStage(
  score: ScoreModel,
  stage: Stage,
  { tokens, length, holes, randoms, targets }: Batch,
  first: number,
  rows: number,
  changes: Changes,
): Promise<void> {
  const { law, asked, remask } = stage;
  const { graph } = law;
  const chunk = tokens.subarray(first * length, (first + rows) * length);
  const chosen: number[] = [];
  const owners: number[] = [];
  for (let r = 0; r < rows; r++)
    for (const i of stage.positions?.(first + r, randoms[first + r]!) ?? holes)
      if (remask || graph.limit(chunk[r * length + i]!) > 0) {
        chosen.push(r * length + i);
        owners.push(r);
      }
  if (chosen.length === 0) return; // nothing can change

  // Plain loops: they run once a position and step.
  const n = chosen.length;
  const positions = new Int32Array(chosen);
  const before = new Int32Array(n);
  for (let j = 0; j < n; j++) {
    before[j] = chunk[positions[j]!]!;
    if (remask) chunk[positions[j]!] = graph.mask!;
  }
  const sigma = typeof asked === "number" ? new Float64Array(rows).fill(asked) : asked.slice(first, first + rows);
  const place = (j: number) => `sequence ${first + owners[j]!}, position ${positions[j]! % length}`;
  let answer: ScoreAt | undefined;
  const call = async (): Promise<ScoreAt> => {
    changes.calls++;
    return (answer = await score.evaluate(chunk, sigma, positions));
  };

  let sums: Float64Array | undefined;
  if (!law.leaves) {
    const known = score.knownSum && sigma.map((value) => score.knownSum!(value));
    if (known) {
      sums = new Float64Array(n);
      for (let j = 0; j < n; j++) sums[j] = known[owners[j]!]!;
    } else sums = await (await call()).sums();
  }
  const uniforms = new Float64Array(n);
  const leaving: number[] = [];
  for (let j = 0; j < n; j++) {
    const sum = sums?.[j] ?? 0;
    if (!(sum < Infinity)) throw new Error(`the scores at ${place(j)} sum to ${sum}`);
    if (!law.leaves) uniforms[j] = randoms[first + owners[j]!]!.uniform();
    if (law.stay(sum) < 0) changes.cut++;
    if (mayLeave(law, uniforms[j]!, sum)) leaving.push(j);
  }

  const probability = new Float64Array(n);
  for (const piece of piecesOfRows(leaving.length, graph.states)) {
    const which = piece.map((k) => leaving[k]!);
    const scores = await (answer ?? (await call())).rows(which);
    for (let k = 0; k < which.length; k++) {
      const j = which[k]!;
      const position = positions[j]!;
      const target = targets[position % length]!;
      const drawn = drawTarget(
        law,
        chunk[position]!,
        scores,
        k * graph.states,
        uniforms[j]!,
        sums?.[j] ?? 0,
        randoms[first + owners[j]!]!,
        target,
      );
      if (drawn.state === -1) throw new Error(`every ${target.allowed ? "allowed " : ""}token has probability zero at ${place(j)}`);
      changes.cut += drawn.cut;
      chunk[position] = drawn.state;
      probability[j] = drawn.probability;
    }
  }
  for (let j = 0; j < n; j++) {
    const state = chunk[positions[j]!]!;
    if (state === before[j]) continue;
    changes.positions.push(first * length + positions[j]!);
    // A written token that comes back as MASK was put there by staying.
    changes.probability.push(state === graph.mask ? 1 - leaves(law, sums![j]!) : probability[j]!);
  }
}

/** The probability that a position leaves its state, where the drain is 0. */
function leaves(law: Law, sum: number): number {
  const most = law.gain * sum;
  return most / (most + Math.max(0, law.stay(sum)));
}
