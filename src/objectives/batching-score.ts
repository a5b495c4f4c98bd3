/**
 * Several runs, one network: the calls of runs that go on at the same time, each at its own noise level, become one call. σ is per row and attention never
 * crosses rows, so a row's answer does not depend on what stands beside it, and a sample is the same bits as alone. Rows are joined where their lengths are
 * computed at the same padded one. Runs join and leave between steps. What is no part of it: queues and threads (server/).
 */
import { macrotask } from "#platform";
import type { ScoreAt, ScoreModel } from "../diffusion/score.ts";
import { paddedLength, powerOfTwo, type NetworkScore } from "./sedd-score.ts";

export interface BatchingOptions {
  /** Rows of several runs in one call at most; default 64. A run's own rows are asked together: more of them are a call by themselves. */
  readonly maxRows?: number | undefined;
  /** Positions of them at most, padding included; default 8,192. */
  readonly maxPositions?: number | undefined;
  /** Hears of every call of the network: its rows, and of how many runs they are. */
  readonly onCall?: ((rows: number, runs: number) => void) | undefined;
}

/** One `evaluate` that waits. */
interface Part {
  readonly tokens: Int32Array;
  readonly length: number;
  readonly sigma: Float64Array;
  readonly positions: Int32Array;
  readonly answer: (score: ScoreAt) => void;
  readonly fail: (error: unknown) => void;
}

/** One question of a run to the answer of a joint call: indices into that call's positions. */
interface Question {
  readonly which: Int32Array;
  readonly answer: (rows: Float32Array | Float64Array) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * How many turns of the event loop a call waits for runs on their way: a run in a step where nothing moves needs no call and takes a turn or two for it, far
 * less than a call of the network takes.
 */
const PATIENCE = 32;

/** A score whose `evaluate` may be called by many runs at once. */
export function batchingScore(score: NetworkScore, options: BatchingOptions = {}): ScoreModel {
  const { maxRows = 64, maxPositions = 8192, onCall } = options;
  const { graph, knownSum } = score;
  const waiting: Part[] = [];
  let runs = 0;
  let working = false;

  const work = async (): Promise<void> => {
    working = true;
    try {
      while (waiting.length > 0) {
        // Every run in progress asks again soon, unless it asks already.
        for (let turn = 0; turn < PATIENCE && waiting.length < runs; turn++) await macrotask();
        if (waiting.length <= 1) await macrotask();
        await call(takeParts(waiting, maxRows, maxPositions));
      }
    } finally {
      working = false;
    }
  };

  const call = async (parts: readonly Part[]): Promise<void> => {
    const rows = parts.reduce((sum, { sigma }) => sum + sigma.length, 0);
    try {
      onCall?.(rows, parts.length);
      const lengths = Int32Array.from(parts.flatMap(({ sigma, length }) => Array.from(sigma, () => length)));
      const tokens = joined(
        Int32Array,
        parts.map((part) => part.tokens),
      );
      const sigma = joined(
        Float64Array,
        parts.map((part) => part.sigma),
      );
      let start = 0;
      const positions = parts.map((part) => {
        const shifted = part.positions.map((position) => position + start);
        start += part.tokens.length;
        return shifted;
      });
      const whole = await score.evaluateRagged(tokens, lengths, sigma, joined(Int32Array, positions));
      const answers = shared(whole, parts, graph.states);
      parts.forEach(({ answer }, i) => answer(answers[i]!));
    } catch (error) {
      for (const { fail } of parts) fail(error);
    }
  };

  return {
    graph,
    ...(knownSum ? { knownSum: (sigma) => knownSum(sigma) } : {}),
    join() {
      runs++;
      let ended = false;
      return () => {
        if (!ended) runs--;
        ended = true;
      };
    },
    evaluate: (tokens, sigma, positions) =>
      new Promise<ScoreAt>((answer, fail) => {
        // The caller goes on writing into its own arrays.
        waiting.push({
          tokens: tokens.slice(),
          length: tokens.length / sigma.length,
          sigma: sigma.slice(),
          positions: positions.slice(),
          answer,
          fail,
        });
        if (!working) void work();
      }),
  };
}

/**
 * Takes out of `waiting` what goes into the next call: the longest waiting part, and those of the same padded length in their order. Calls are compiled for powers
 * of two rows; where more than a quarter of one would be padding, the rest waits for the next call instead.
 */
function takeParts(waiting: Part[], maxRows: number, maxPositions: number): Part[] {
  const padded = paddedLength(waiting[0]!.length);
  const fitting = waiting.filter(({ length }) => paddedLength(length) === padded);
  // Rows are padded to a power of two.
  const most = Math.max(1, Math.min(maxRows, 2 ** Math.floor(Math.log2(Math.max(1, maxPositions / padded)))));
  const all = Math.min(
    most,
    fitting.reduce((sum, { sigma }) => sum + sigma.length, 0),
  );
  const bucket = powerOfTwo(all);
  const wanted = all >= 0.75 * bucket ? all : bucket / 2;
  const taken: Part[] = [];
  let rows = 0;
  for (const part of fitting) {
    if (taken.length > 0 && rows + part.sigma.length > wanted) break;
    taken.push(part);
    rows += part.sigma.length;
  }
  for (const part of taken) waiting.splice(waiting.indexOf(part), 1);
  return taken;
}

/** The answers of the parts of one call. Rows asked for in one turn come from one call of the head. */
function shared(whole: ScoreAt, parts: readonly Part[], states: number): ScoreAt[] {
  const total = parts.reduce((sum, { positions }) => sum + positions.length, 0);
  let questions: Question[] = [];
  const ask = async (): Promise<void> => {
    await macrotask();
    const asked = questions;
    questions = [];
    try {
      const rows = await whole.rows(
        joined(
          Int32Array,
          asked.map(({ which }) => which),
        ),
      );
      let start = 0;
      for (const { which, answer } of asked) answer(rows.subarray(start * states, (start += which.length) * states));
    } catch (error) {
      for (const { fail } of asked) fail(error);
    }
  };
  let sums: Promise<Float64Array> | undefined;
  let first = 0;
  return parts.map(({ positions }): ScoreAt => {
    const begin = first;
    const end = (first += positions.length);
    return {
      sums: async () => (await (sums ??= whole.sums())).slice(begin, end),
      async at(targets) {
        // Others are not asked for theirs: any target does.
        const all = new Int32Array(total);
        all.set(targets, begin);
        return (await whole.at(all)).slice(begin, end);
      },
      rows: (which) =>
        new Promise((answer, fail) => {
          questions.push({ which: which.map((j) => j + begin), answer, fail });
          if (questions.length === 1) void ask();
        }),
    };
  });
}

function joined<T extends Int32Array | Float64Array>(kind: new (length: number) => T, pieces: readonly T[]): T {
  const all = new kind(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let start = 0;
  for (const piece of pieces) {
    all.set(piece as never, start);
    start += piece.length;
  }
  return all;
}
