/**
 * Masked copies of windows for the absorbing graph's likelihood estimators: which positions may be masked, which stay hidden, the noise a copy is asked at,
 * and the surprise of every position when all that is judged is masked, which serves as their control variate.
 */
import { everyPosition } from "./bound.ts";
import type { Noise } from "./noise.ts";
import { maskedExcess } from "./score-entropy.ts";
import type { ScoreModel } from "./score.ts";

export interface Masking {
  readonly mask: number;
  /** The judged positions of window w. */
  free(w: number): Int32Array;
  /** Window w with the given positions and those that are hidden masked. */
  copy(w: number, masked: Int32Array): Int32Array;
  /** The noise at which a copy of mask level m = 1 − e^{−σ} is asked: beyond σ(1) that of σ(1). */
  asked(level: number): number;
}

export interface MaskingOptions {
  readonly free?: readonly Int32Array[] | undefined;
  readonly hidden?: readonly Int32Array[] | undefined;
}

export function masking(mask: number, noise: Noise, windows: readonly Int32Array[], { free, hidden }: MaskingOptions): Masking {
  const judged = free ?? windows.map((window) => everyPosition(window.length));
  const most = noise.sigma(1);
  return {
    mask,
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
  maxRows: number,
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
  let calls = 0;
  for (const length of new Set(groups.map(({ x }) => x.length))) {
    const rows = groups.filter(({ x }) => x.length === length);
    for (let first = 0; first < rows.length; first += maxRows) {
      const chunk = rows.slice(first, first + maxRows);
      const tokens = new Int32Array(chunk.length * length);
      chunk.forEach(({ x }, r) => tokens.set(x, r * length));
      const positions = Int32Array.from(chunk.flatMap(({ free }, r) => [...free].map((i) => r * length + i)));
      const answer = await score.evaluate(tokens, new Float64Array(chunk.length).fill(sigma), positions);
      calls++;
      const sums = await answer.sums();
      // One question for every text that is laid over these rows.
      const most = Math.max(...chunk.map((row) => row.windows.length));
      for (let layer = 0; layer < most; layer++) {
        const texts = chunk.map((row) => row.windows[Math.min(layer, row.windows.length - 1)]!);
        const clean = Int32Array.from(positions, (position) => windows[texts[Math.floor(position / length)]!]![position % length]!);
        const logs = await answer.at(clean);
        let j = 0;
        for (const [r, { free, windows: shared }] of chunk.entries())
          for (let k = 0; k < free.length; k++, j++)
            if (layer < shared.length) values[texts[r]!]![k] = maskedExcess(sums[j]!, logs[j]!, sigma);
      }
    }
  }
  return { values, calls, rows: groups.length };
}
