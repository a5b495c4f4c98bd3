/**
 * Batches for the likelihood bound: noisy windows are pushed one by one, collected by length, and asked of the score in calls of bounded size. It knows which
 * positions matter and how to read the answer, not what the numbers mean.
 */
import type { BoundOptions } from "./bound.ts";
import { piecesOfRows, type ScoreAt, type ScoreModel } from "./score.ts";

/** One noisy window and what to make of the score there. */
export interface Job {
  readonly x: Int32Array;
  readonly x0: Int32Array;
  /** The positions that count, at least one of which the reverse process can leave; those it cannot leave are not asked. */
  readonly judged: Int32Array;
  /** The noise the score is asked at. */
  readonly sigma: number;
  /** Absorb: a masked position's value from Σ s and log s_{x0}. */
  readonly masked: (sum: number, logClean: number) => number;
  /** Other graphs: a position's value from its whole row of log-scores. */
  readonly whole?: (row: ArrayLike<number>, x: number, x0: number) => number;
  /** Takes the sum of the positions' values. */
  readonly add: (value: number) => void;
}

export interface QueueOptions extends Pick<BoundOptions, "maxRows" | "signal" | "pause" | "onProgress"> {
  /** Jobs there will be. */
  readonly total: number;
}

export interface Queue {
  push(job: Job): Promise<void>;
  /** Finishes a job whose value is known. */
  settle(job: Job, value: number): void;
  /** Asks what is still waiting. */
  finish(): Promise<void>;
  /** Calls of the score so far, and the windows in them. */
  cost(): { readonly calls: number; readonly rows: number };
}

export function makeQueue(score: ScoreModel, { maxRows = 64, total, signal, pause, onProgress }: QueueOptions): Queue {
  const { graph } = score;
  const waiting = new Map<number, Job[]>();
  let [calls, rows, done] = [0, 0, 0];
  const asked = (job: Job): Int32Array => job.judged.filter((i) => graph.limit(job.x[i]!) > 0);

  const settle = (job: Job, value: number) => {
    job.add(value);
    done++;
  };

  async function flush(length: number): Promise<void> {
    const jobs = waiting.get(length) ?? [];
    waiting.delete(length);
    if (jobs.length === 0) return;
    signal?.throwIfAborted();
    const tokens = new Int32Array(jobs.length * length);
    const positions: number[] = [];
    jobs.forEach((job, row) => {
      tokens.set(job.x, row * length);
      for (const i of asked(job)) positions.push(row * length + i);
    });
    const flat = Int32Array.from(positions);
    const answer = await score.evaluate(
      tokens,
      Float64Array.from(jobs, (job) => job.sigma),
      flat,
    );
    const values = graph.mask === undefined ? await fromRows(answer, jobs, flat, length) : await fromSums(answer, jobs, flat, length);
    jobs.forEach((job, row) => settle(job, values[row]!));
    calls++;
    rows += jobs.length;
    onProgress?.(done, total);
    await pause?.();
  }

  async function fromSums(answer: ScoreAt, jobs: Job[], positions: Int32Array, length: number): Promise<Float64Array> {
    const clean = positions.map((p) => jobs[Math.floor(p / length)]!.x0[p % length]!);
    const sums = await answer.sums();
    const logs = await answer.at(clean);
    const values = new Float64Array(jobs.length);
    positions.forEach((p, k) => {
      const row = Math.floor(p / length);
      values[row]! += jobs[row]!.masked(sums[k]!, logs[k]!);
    });
    return values;
  }

  async function fromRows(answer: ScoreAt, jobs: Job[], positions: Int32Array, length: number): Promise<Float64Array> {
    const values = new Float64Array(jobs.length);
    for (const which of piecesOfRows(positions.length, graph.states)) {
      const rows = await answer.rows(which);
      which.forEach((j, k) => {
        const row = Math.floor(positions[j]! / length);
        const job = jobs[row]!;
        const i = positions[j]! % length;
        values[row]! += job.whole!(rows.subarray(k * graph.states, (k + 1) * graph.states), job.x[i]!, job.x0[i]!);
      });
    }
    return values;
  }

  return {
    settle,
    async push(job) {
      const length = job.x.length;
      const jobs = waiting.get(length) ?? [];
      waiting.set(length, jobs);
      if (jobs.push(job) >= maxRows) await flush(length);
    },
    async finish() {
      for (const length of waiting.keys()) await flush(length);
    },
    cost: () => ({ calls, rows }),
  };
}
