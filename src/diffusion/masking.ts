/**
 * Masked copies of windows for the absorbing graph's likelihood estimators: which positions may be masked, which stay hidden, the noise a copy is asked at,
 * and the surprise of every position when all that is judged is masked, which serves as their control variate.
 */
import { type BoundOptions, everyPosition } from "./bound.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess } from "./score-entropy.ts";
import { piecesOfRows, type ScoreModel } from "./score.ts";

export interface Masking {
  /** The judged positions of window w. */
  free(w: number): Int32Array;
  /** Window w with the given positions and those that are hidden masked. */
  copy(w: number, masked: Int32Array): Int32Array;
  /** The noise at which a copy of mask level m = 1 − e^{−σ} is asked: beyond σ(1) that of σ(1). */
  asked(level: number): number;
}

export function masking(
  mask: number,
  noise: Noise,
  windows: readonly Int32Array[],
  { free, hidden }: Pick<BoundOptions, "free" | "hidden">,
): Masking {
  const judged = free ?? windows.map((window) => everyPosition(window.length));
  const most = noise.sigma(1);
  return {
    free: (w) => judged[w]!,
    copy(w, masked) {
      const x = windows[w]!.slice();
      for (const i of masked) x[i] = mask;
      for (const i of hidden?.[w] ?? []) x[i] = mask;
      return x;
    },
    asked: (level) => Math.min(most, -Math.log1p(-level)),
  };
}

/** Σh − log h_{x0} − 1 at every judged position of every window, with all of them masked and the score asked as at σ(1). */
export async function excessWhenAllMasked(
  score: ScoreModel,
  masks: Masking,
  windows: readonly Int32Array[],
  sigma: number,
  { maxRows = 64, signal, pause }: Pick<BoundOptions, "maxRows" | "signal" | "pause">,
): Promise<{ values: Float64Array[]; calls: number; rows: number }> {
  const values = windows.map((_, w) => new Float64Array(masks.free(w).length));
  // Windows that look alike when masked share a row: with nothing given, all of one length do.
  const alike = new Map<string, { x: Int32Array; free: Int32Array; windows: number[] }>();
  for (const w of windows.keys()) {
    const free = masks.free(w);
    const x = masks.copy(w, free);
    const key = `${x.join()} ${free.join()}`;
    if (!alike.has(key)) alike.set(key, { x, free, windows: [] });
    alike.get(key)!.windows.push(w);
  }
  const groups = [...alike.values()];
  const { states } = score.graph;
  let calls = 0;
  for (const length of new Set(groups.map(({ x }) => x.length))) {
    const rows = groups.filter(({ x }) => x.length === length);
    for (let first = 0; first < rows.length; first += maxRows) {
      signal?.throwIfAborted();
      const chunk = rows.slice(first, first + maxRows);
      const tokens = new Int32Array(chunk.length * length);
      chunk.forEach(({ x }, r) => tokens.set(x, r * length));
      const places = chunk.flatMap((row, r) => [...row.free].map((i, k) => ({ row, k, i, at: r * length + i })));
      const positions = Int32Array.from(places, ({ at }) => at);
      const answer = await score.evaluate(tokens, new Float64Array(chunk.length).fill(sigma), positions);
      calls++;
      const sums = await answer.sums();
      // A position's scores are read once, for every text that is laid over it.
      for (const which of piecesOfRows(places.length, states)) {
        signal?.throwIfAborted();
        const logs = await answer.rows(which);
        which.forEach((j, n) => {
          const { row, k, i } = places[j]!;
          for (const w of row.windows) values[w]![k] = maskedExcess(sums[j]!, logs[n * states + windows[w]![i]!]!, sigma);
        });
        await pause?.();
      }
    }
  }
  return { values, calls, rows: groups.length };
}
