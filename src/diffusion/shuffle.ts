/** A random order. */
import type { Random } from "../platform/random.ts";

/** The values in a uniformly drawn order (Fisher and Yates), as a new array. */
export function shuffled(values: Int32Array, random: Random): Int32Array {
  const out = values.slice();
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.integer(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}
