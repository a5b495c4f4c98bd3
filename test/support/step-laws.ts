/**
 * Exact laws of everything a sampling run can be told, on an oracle: predictor, grid, prompts, corrector, constraints and departures, propagated over all
 * states. Where a transformed law is meant, it is computed here from its definition, in another way than the sampler's.
 */
import type { Departures } from "../../src/diffusion/departures.ts";
import type { GridName } from "../../src/diffusion/grid.ts";
import { type Law, normalised, probabilities } from "../../src/diffusion/law.ts";
import type { Noise } from "../../src/diffusion/noise.ts";
import { finalStage, gridStages, type Predictor } from "../../src/diffusion/schedule.ts";
import type { ScoreModel } from "../../src/diffusion/score.ts";
import { chiSquare, chiSquareLimit } from "./statistics.ts";
import { onClean, type Oracle, propagate, type Space, startLaw } from "./oracle.ts";

/** A law over the states of one position, given that it is `x` and the law of the model's step there. */
export type Change = (law: Float64Array, x: number, i: number) => Float64Array;

export interface RunLaw {
  readonly predictor: Predictor;
  readonly noise: Noise;
  readonly steps: number;
  readonly grid?: GridName;
  /** −1 at holes. */
  readonly given?: Int32Array;
  /** What becomes of each position's law in predictor steps, corrector and denoise. */
  readonly change?: Change;
  /** The law that sampling starts with, if it is another than the graph's. */
  readonly start?: Float64Array;
  /** After each predictor step, at its noise. */
  readonly corrector?: (law: Float64Array, sigma: number) => Float64Array;
  /** What becomes of a step's raw weights where a position can move, if it shall be wrong. */
  readonly wrong?: ((weights: Float64Array, x: number, law: Law) => Float64Array) | undefined;
}

/** The law over clean sequences that a run with this sampler returns. */
export function runLaw(truth: Oracle, { predictor, noise, steps, grid, given, change, start, corrector, wrong }: RunLaw): Float64Array {
  const { graph, noisy } = truth;
  let law = start ?? startLaw(graph, noisy, given);
  for (const stage of [...gridStages(predictor, graph, noise, steps, grid), finalStage(graph, noise, steps)]) {
    law = propagate(law, noisy, (state, i) => positionLaw(truth, stage.law, stage.asked as number, state, i, given, change, wrong));
    if (corrector && stage.kind === "predict") law = corrector(law, stage.sigma);
  }
  return onClean(law, truth);
}

/** The law of one position after a step, in a state. */
export function positionLaw(
  truth: Oracle,
  law: Law,
  sigma: number,
  state: number,
  i: number,
  given?: Int32Array,
  change?: Change,
  wrong: RunLaw["wrong"] = (weights) => weights,
): Float64Array {
  const S = truth.graph.states;
  const x = truth.noisy.at(state)[i]!;
  if (given && given[i] !== -1) return one(S, x);
  const weights = probabilities(law, x, truth.logScore(sigma, state).subarray(i * S, (i + 1) * S));
  const own = normalised(truth.graph.limit(x) > 0 ? wrong(weights, x, law) : weights);
  return change && truth.graph.limit(x) > 0 ? change(own, x, i) : own;
}

const one = (size: number, x: number): Float64Array => Float64Array.from({ length: size }, (_, y) => Number(x === y));

/** Every choice of `n` of the values. */
export function choices(values: readonly number[], n: number): number[][] {
  if (n === 0) return [[]];
  return values.flatMap((value, k) => choices(values.slice(k + 1), n - 1).map((rest) => [value, ...rest]));
}

/**
 * The law after the corrector redrew `n` positions of `holes` at once at noise `sigma`, from the law of each given the rest as enumeration has it: under absorb the
 * others of the choice are masked then.
 */
export function corrected(
  truth: Oracle,
  law: Float64Array,
  sigma: number,
  holes: readonly number[],
  n: number,
  redraw: (state: number, i: number) => Float64Array = (state, i) => conditional(truth, sigma, state, i),
): Float64Array {
  const { noisy, graph } = truth;
  const all = choices(holes, Math.min(n, holes.length));
  const out = new Float64Array(law.length);
  for (const chosen of all) {
    const from = graph.mask === undefined ? law : masked(law, noisy, chosen, graph.mask);
    const to = propagate(from, noisy, (state, i) => (chosen.includes(i) ? redraw(state, i) : one(graph.states, noisy.at(state)[i]!)));
    to.forEach((p, k) => (out[k]! += p / all.length));
  }
  return out;
}

/** p_σ(x_i | all other positions as in `state`), straight from the joint law. */
export function conditional(truth: Oracle, sigma: number, state: number, i: number): Float64Array {
  const joint = truth.marginal(sigma);
  const x = truth.noisy.at(state);
  return normalised(Float64Array.from({ length: truth.graph.states }, (_, y) => joint[truth.noisy.index(x.with(i, y))]!));
}

function masked(law: Float64Array, noisy: Space, positions: readonly number[], mask: number): Float64Array {
  const out = new Float64Array(law.length);
  law.forEach((p, k) => {
    const x = noisy.at(k);
    for (const i of positions) x[i] = mask;
    out[noisy.index(x)]! += p;
  });
  return out;
}

/** A position's law where only `allowed` tokens may be drawn (constraints.ts states it). */
export function constrained(allowed: (i: number) => readonly number[] | undefined, mask: number | undefined): Change {
  return (law, x, i) => {
    const tokens = allowed(i);
    if (!tokens) return law;
    if (mask === undefined) return normalised(law.map((p, y) => (tokens.includes(y) ? p : 0)));
    const inside = tokens.reduce((sum, y) => sum + law[y]!, 0);
    return law.map((p, y) => (y === x ? p : tokens.includes(y) ? ((1 - law[x]!) * p) / inside : 0));
  };
}

/** A position's law under temperature, top-k and top-p (departures.ts states it). */
export function departed({ temperature = 1, topK = Infinity, topP = 1 }: Departures): Change {
  return (law, x) => {
    const moving = 1 - law[x]!;
    if (!(moving > 0)) return law;
    const ranked = [...law.keys()].filter((y) => y !== x).sort((a, b) => law[b]! - law[a]! || a - b);
    const sharp = ranked.map((y) => Math.exp(Math.log(law[y]!) / temperature)).map((w, rank) => (rank < topK ? w : 0));
    const total = sharp.reduce((sum, w) => sum + w, 0);
    let before = 0;
    const kept = sharp.map((w) => {
      const keep = before < topP * total;
      before += w;
      return keep ? w : 0;
    });
    const left = kept.reduce((sum, w) => sum + w, 0);
    const out = one(law.length, x).map((own) => own * law[x]!);
    ranked.forEach((y, rank) => (out[y] = (moving * kept[rank]!) / left));
    return out;
  };
}

/**
 * The oracle's score by table: its rows and sums are made once for each noise and state.
 *
 * @param at the noise that stands for another: for first-hitting, whose draws need ratios only, which do not depend on it
 */
export function tableScore(truth: Oracle, at: (sigma: number) => number = (sigma) => sigma): ScoreModel {
  const { graph, noisy, length } = truth;
  const S = graph.states;
  const tables = new Map<number, { sums: Float64Array; rows: (Float64Array | undefined)[] }>();
  const tableAt = (sigma: number) => {
    let table = tables.get(sigma);
    if (!table) tables.set(sigma, (table = { sums: new Float64Array(noisy.size * length), rows: Array.from({ length: noisy.size }) }));
    return table;
  };
  return {
    graph,
    async evaluate(tokens, sigma, positions) {
      const [states, table] = [new Int32Array(sigma.length), Array.from(sigma, (value) => tableAt(at(value)))];
      sigma.forEach((value, r) => {
        const state = (states[r] = noisy.index(tokens, r * length));
        const { rows, sums } = table[r]!;
        if (rows[state]) return;
        const row = (rows[state] = truth.logScore(at(value), state));
        for (let i = 0; i < length; i++) {
          const x = tokens[r * length + i]!;
          let sum = 0;
          for (let y = 0; y < S; y++) if (y !== x) sum += Math.exp(row[i * S + y]!);
          sums[state * length + i] = sum;
        }
      });
      const place = (j: number): [number, number] => {
        const r = Math.floor(positions[j]! / length);
        return [r, positions[j]! - r * length];
      };
      return {
        sums: async () => {
          const out = new Float64Array(positions.length);
          for (let j = 0; j < out.length; j++) {
            const [r, i] = place(j);
            out[j] = table[r]!.sums[states[r]! * length + i]!;
          }
          return out;
        },
        at: () => {
          throw new Error("not asked in these tests");
        },
        rows: async (which) => {
          const out = new Float64Array(which.length * S);
          for (let k = 0; k < which.length; k++) {
            const [r, i] = place(which[k]!);
            const row = table[r]!.rows[states[r]!]!;
            for (let y = 0; y < S; y++) out[k * S + y] = row[i * S + y]!;
          }
          return out;
        },
      };
    },
  };
}

/** Whether Pearson's test at α = 1e-6 rejects that counts follow a law. */
export const rejects = (counts: Float64Array, law: Float64Array): boolean => {
  const { statistic, freedom } = chiSquare(counts, law);
  return statistic > chiSquareLimit(freedom);
};

/** The oracle with other scores: a wrong sampler's. */
export const withScores = (truth: Oracle, change: (logScore: number) => number): Oracle => ({
  ...truth,
  logScore: (sigma, state) => truth.logScore(sigma, state).map(change),
});
