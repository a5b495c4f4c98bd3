/**
 * The concrete score of a trained network, as samplers and likelihood bounds ask for it: the trunk runs once an evaluation, the head only on
 * the rows that are asked about, in buckets of powers of two. Shapes are padded to few compiled ones; padding is hidden from attention and the
 * head works row by row, so a padded call equals the unpadded one.
 */
import type { ScoreAt, ScoreModel } from "../diffusion/score.ts";
import { HIDDEN } from "../network/ddit.ts";
import { dditNetwork, type StatesNetwork } from "../network/states-network.ts";
import { UserError } from "../platform/errors.ts";
import {
  inputsOf,
  Layout,
  logSumExp,
  pick,
  replaceAt,
  reshape,
  sub,
  trace,
  type Program,
  type Spec,
  type Tensor,
} from "../tensor/index.ts";
import { cachingTrunk } from "./causal-cache.ts";
import { keepPrograms, type ProgramsOptions } from "./programs.ts";
import { graphOf, logExpm1, logitOffset, type SeddConfig } from "./sedd.ts";

export interface NetworkScore extends ScoreModel {
  /**
   * As `evaluate`, for rows of several lengths in one call: tokens [Σ lengths] row after row, positions are flat indices into them. Rows whose lengths
   * {@link paddedLength} to the same share a program with those that come alone, and give the same bits.
   */
  evaluateRagged(tokens: Int32Array, lengths: Int32Array, sigma: Float64Array, positions: Int32Array): Promise<ScoreAt>;
  /** Positions of all sequences of a run at most, where it keeps something of each. */
  readonly mostPositions?: number;
  /** Log-scores of every position and state, [rows·length·states]; 0 at the token itself. */
  all(tokens: Int32Array, sigma: Float64Array): Promise<Float32Array>;
  /** Milliseconds spent inside the runtime since the last call of this function. */
  takeNetworkTime(): number;
  dispose(): Promise<void>;
}

/** Numbers that a run of a causal network may keep of its texts: 512 MiB. */
const MOST_KEPT = 2 ** 27;
/** Rows of the head in one call at most: 1,024 rows of 50,257 states are 206 MB. */
const MOST_ROWS = 1024;
/**
 * The least rows of a matrix product. The native runtime takes another kernel for a single row, whose rounding differs; with four rows or more a
 * row's result does not depend on how many stand beside it, so that sample i is the same bits for every count.
 */
const LEAST_ROWS = 4;

/** The rows that a call of `n` is compiled for. */
export const powerOfTwo = (n: number): number => 2 ** Math.ceil(Math.log2(n));
/** The length that a text is computed at: multiples of 16, above 128 of 64. */
export const paddedLength = (n: number): number => (n <= 128 ? Math.ceil(n / 16) * 16 : Math.ceil(n / 64) * 64);

/** A trunk's output, rows of `hidden` numbers, and which of them is of a position of a row. */
export interface TrunkOutput {
  readonly output: Float32Array;
  readonly place: (row: number, position: number) => number;
}

/** The log-score of a MASK for which a network has no logit. */
const CLOSED = -1e30;

type HeadKind = "total" | "pick" | "rows";

/**
 * @param parameters flat, in the layout of the network's
 * @param network default: the DDiT of the configuration
 */
export function networkScore(
  config: SeddConfig,
  parameters: Float32Array,
  options: ProgramsOptions,
  network: StatesNetwork = dditNetwork(config.network),
): NetworkScore {
  const { parameterization } = config;
  const { states, hidden, longest = Infinity, border, causal } = network;
  const graph = graphOf(config);
  const layout = new Layout(network.parameters);
  const { execute, takeTime, dispose } = keepPrograms(layout.slices(parameters), options);
  const specsOf = (wanted: (name: string) => boolean): Record<string, Spec> => inputsOf(layout.views.filter(({ name }) => wanted(name)));

  /** `normalized`: the sum is 1/(e^σ−1) by construction, and no head is needed. */
  const known: Pick<ScoreModel, "knownSum"> = parameterization === "normalized" ? { knownSum: (sigma) => 1 / Math.expm1(sigma) } : {};

  const trunk = async (tokens: Int32Array, lengths: Int32Array, sigma: Float64Array): Promise<TrunkOutput> => {
    const rows = sigma.length;
    const most = Math.max(...lengths);
    if (most > longest) throw new UserError(`a text of ${most} tokens: this model reads at most ${longest} at once; shorten the text`);
    const [batch, stride] = [powerOfTwo(rows), Math.min(paddedLength(most), longest) + 2 * border];
    const padded = new Int32Array(batch * stride);
    const noise = new Float32Array(Math.max(batch, LEAST_ROWS)).fill(sigma[0]!);
    const mask = new Float32Array(batch * stride);
    let masked = false;
    for (let r = 0, start = 0; r < rows; r++) {
      const length = lengths[r]!;
      const row = network.read(tokens.subarray(start, start + length));
      padded.set(row, r * stride);
      mask.fill(HIDDEN, r * stride + row.length, (r + 1) * stride);
      masked ||= row.length !== stride && !causal; // which never sees what is right of it
      noise[r] = sigma[r]!;
      start += length;
    }
    const build = (): Program => {
      const signature: Record<string, Spec> = {
        ...specsOf(network.inTrunk),
        tokens: { dtype: "int32", shape: [batch, stride] },
        ...(network.conditioned ? { sigma: { dtype: "float32", shape: [noise.length] } as const } : {}),
        ...(masked ? { mask: { dtype: "float32", shape: [batch, 1, 1, stride] } as const } : {}),
      };
      return trace(signature, (inputs: Record<string, Tensor>) => ({
        output: network.trunk(inputs, {
          tokens: inputs["tokens"]!,
          ...(inputs["sigma"] ? { sigma: inputs["sigma"] } : {}),
          ...(masked ? { mask: inputs["mask"]! } : {}),
        }),
      }));
    };
    const { output } = await execute(`trunk ${batch} ${stride} ${masked}`, build, {
      tokens: padded,
      sigma: noise,
      ...(masked ? { mask } : {}),
    });
    return { output: output!, place: (row, position) => row * stride + border + position };
  };

  /**
   * Runs the head on rows of the trunk's output; `total` gives log Σ exp over the other states (absorb: the tokens; uniform: all but the target, the
   * token itself), `pick` the target's logit and the total, `rows` everything.
   */
  const head = async (kind: HeadKind, rows: Float32Array, targets?: Int32Array): Promise<Record<string, Float32Array>> => {
    const n = rows.length / hidden;
    const bucket = Math.max(LEAST_ROWS, powerOfTwo(n));
    const padded = bucket === n ? rows : concatenate(rows, bucket * hidden);
    const build = (): Program =>
      trace(
        {
          ...specsOf(network.inHead),
          hidden: { dtype: "float32", shape: [bucket, hidden] } as const,
          ...(targets ? { targets: { dtype: "int32", shape: [bucket] } as const } : {}),
        },
        (inputs: Record<string, Tensor>) => {
          // `score` keeps the network's own log-score of MASK: it is part of the official output, though no sampler reads it.
          if (kind === "rows" && parameterization === "score") return { rows: network.head(inputs, inputs["hidden"]!) };
          const logits = network.head(inputs, inputs["hidden"]!, graph.mask);
          const counted =
            graph.mask === undefined && kind === "total" ? replaceAt(logits, reshape(inputs["targets"]!, [bucket, 1]), -1e30) : logits;
          const total = logSumExp(counted);
          if (kind === "rows") return { rows: sub(logits, total) };
          const flat = reshape(total, [bucket]);
          return kind === "total" ? { total: flat } : { total: flat, picked: reshape(pick(logits, inputs["targets"]!), [bucket]) };
        },
      );
    const paddedTargets = targets && new Int32Array(bucket);
    paddedTargets?.set(targets!);
    return execute(`head ${kind} ${bucket}`, build, { hidden: padded, ...(paddedTargets ? { targets: paddedTargets } : {}) });
  };

  const evaluateRagged: NetworkScore["evaluateRagged"] = async (tokens, lengths, sigma, positions) =>
    answer(await trunk(tokens, lengths, sigma), tokens, lengths, sigma, positions);

  const answer = (
    { output, place }: TrunkOutput,
    tokens: Int32Array,
    lengths: Int32Array,
    sigma: Float64Array,
    positions: Int32Array,
  ): ScoreAt => {
    const own = Int32Array.from(positions, (position) => tokens[position]!);
    /** Of each token: its row, and where it stands in the trunk's output. */
    const rowOf = new Int32Array(tokens.length);
    const placeOf = new Int32Array(tokens.length);
    for (let r = 0, start = 0; r < lengths.length; start += lengths[r++]!)
      for (let i = 0; i < lengths[r]!; i++) {
        rowOf[start + i] = r;
        placeOf[start + i] = place(r, i);
      }
    const noise = Float64Array.from(positions, (position) => sigma[rowOf[position]!]!);
    const rowsOf = (from: number, to: number, which?: Int32Array): Float32Array => {
      const rows = new Float32Array((to - from) * hidden);
      for (let i = from; i < to; i++) {
        const position = positions[which ? which[i]! : i]!;
        const at = placeOf[position]! * hidden;
        rows.set(output.subarray(at, at + hidden), (i - from) * hidden);
      }
      return rows;
    };
    const inPieces = async (n: number, visit: (from: number, to: number) => Promise<void>): Promise<void> => {
      for (let from = 0; from < n; from += MOST_ROWS) await visit(from, Math.min(n, from + MOST_ROWS));
    };
    /** What turns a logit (`score`) or a log-probability (`normalized`) at position j into a log-score. */
    const offset = (j: number): number => (parameterization === "normalized" ? -logExpm1(noise[j]!) : logitOffset(config, noise[j]!));
    return {
      async sums() {
        if (known.knownSum) return noise.map(known.knownSum);
        const sums = new Float64Array(positions.length);
        await inPieces(positions.length, async (from, to) => {
          const { total } = await head("total", rowsOf(from, to), graph.mask === undefined ? own.subarray(from, to) : undefined);
          for (let j = from; j < to; j++) sums[j] = Math.exp(total![j - from]! + offset(j));
        });
        return sums;
      },
      async at(targets) {
        const logs = new Float64Array(positions.length);
        await inPieces(positions.length, async (from, to) => {
          const { total, picked } = await head("pick", rowsOf(from, to), targets.subarray(from, to));
          for (let j = from; j < to; j++) {
            const normaliser = parameterization === "normalized" ? total![j - from]! : 0;
            // A causal network tells the token itself, which it has not seen.
            logs[j] = targets[j] === own[j] && !causal ? 0 : picked![j - from]! - normaliser + offset(j);
          }
        });
        return logs;
      },
      async rows(which) {
        const width = network.logits;
        const all = new Float32Array(which.length * states);
        if (width < states) all.fill(CLOSED);
        await inPieces(which.length, async (from, to) => {
          const { rows } = await head("rows", rowsOf(from, to, which));
          for (let i = from; i < to; i++) {
            const shift = offset(which[i]!);
            for (let y = 0; y < width; y++) all[i * states + y] = rows![(i - from) * width + y]! + shift;
          }
        });
        return all;
      },
    };
  };

  const lengthsOf = (tokens: Int32Array, { length: rows }: Float64Array): Int32Array => new Int32Array(rows).fill(tokens.length / rows);
  const evaluate: ScoreModel["evaluate"] = (tokens, sigma, positions) => evaluateRagged(tokens, lengthsOf(tokens, sigma), sigma, positions);

  return {
    graph,
    evaluateRagged,
    ...known,
    evaluate,
    ...(causal
      ? {
          // One text at its longest always, however large the network.
          mostPositions: Math.max(network.longest ?? 0, Math.floor(MOST_KEPT / (2 * network.layers * hidden))),
          forRun(): ScoreModel {
            const cached = cachingTrunk(network, causal, specsOf(network.inTrunk), execute, (rows) =>
              Math.max(LEAST_ROWS, powerOfTwo(rows)),
            );
            return {
              graph,
              ...known,
              async evaluate(tokens, sigma, positions) {
                const found = await cached(tokens, sigma.length, positions);
                return found ? answer(found, tokens, lengthsOf(tokens, sigma), sigma, positions) : evaluate(tokens, sigma, positions);
              },
            };
          },
        }
      : {}),
    async all(tokens, sigma) {
      const positions = Int32Array.from(tokens.keys());
      const scores = (await (await evaluate(tokens, sigma, positions)).rows(positions)) as Float32Array;
      tokens.forEach((token, i) => (scores[i * states + token] = 0));
      return scores;
    },
    takeNetworkTime: takeTime,
    dispose,
  };
}

function concatenate(rows: Float32Array, size: number): Float32Array {
  const padded = new Float32Array(size);
  padded.set(rows);
  return padded;
}
