/** −log p of windows under a causal network: exact, and one row of the network a window. */
import { type BoundOptions, type BoundSamples, checkTerms, checkWindows, everyPosition } from "../diffusion/bound.ts";
import type { ScoreModel } from "../diffusion/score.ts";

/** As unmasking from left to right has it, where one call tells every position from what stands before it; of `free` positions, the sum over them. */
export async function causalLikelihood(
  score: ScoreModel,
  windows: readonly Int32Array[],
  { free, maxRows = 64, signal, pause, onProgress }: Omit<BoundOptions, "random">,
): Promise<BoundSamples> {
  checkWindows(windows, score.graph.vocabularySize, free);
  const values = new Float64Array(windows.length);
  let done = 0;
  let calls = 0;
  const lengths = [...new Set(windows.map(({ length }) => length))];
  for (const length of lengths) {
    const alike = [...windows.keys()].filter((w) => windows[w]!.length === length);
    for (let first = 0; first < alike.length; first += maxRows) {
      signal?.throwIfAborted();
      const chunk = alike.slice(first, first + maxRows);
      const tokens = new Int32Array(chunk.length * length);
      chunk.forEach((w, r) => tokens.set(windows[w]!, r * length));
      // At σ = ln 2 a log-score is a log-probability.
      const positions = Int32Array.from(chunk.flatMap((w, r) => Array.from(free?.[w] ?? everyPosition(length), (i) => r * length + i)));
      const answer = await score.evaluate(tokens, new Float64Array(chunk.length).fill(Math.LN2), positions);
      const logs = await answer.at(positions.map((at) => tokens[at]!));
      logs.forEach((log, j) => (values[chunk[Math.floor(positions[j]! / length)]!]! -= log));
      calls++;
      onProgress?.((done += chunk.length), windows.length);
      await pause?.();
    }
  }
  const terms = { unmasking: values };
  checkTerms(terms);
  return { windows: windows.length, replicates: 1, samples: 1, terms, calls, rows: windows.length };
}
