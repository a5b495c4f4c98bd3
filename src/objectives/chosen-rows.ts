/** Where a loss reads some positions alone, the head, and the last block after its attention, run on their rows. */
import type { BatchShape } from "./objective.ts";

/** The positions that a loss reads, as the trunk's selection takes them, with their tokens; padded to `capacity` rows, which the head is compiled for. */
export function chosenRows(
  tokens: Int32Array,
  positions: readonly number[],
  shape: BatchShape,
  capacity = headCapacity(shape, positions.length),
): { feeds: Record<"rows" | "inverse" | "sequence" | "clean", Int32Array>; capacity: number } {
  const [rows, sequence, clean] = [new Int32Array(capacity), new Int32Array(capacity), new Int32Array(capacity)];
  const inverse = new Int32Array(tokens.length).fill(capacity);
  positions.forEach((position, i) => {
    rows[i] = position;
    sequence[i] = Math.floor(position / shape.length);
    clean[i] = tokens[position]!;
    inverse[position] = i;
  });
  return { feeds: { rows, inverse, sequence, clean }, capacity };
}

/**
 * How many rows the head is compiled for. Two sizes a shape: one that stratified times exceed with probability below 1e-4 (mean ≤ N/2 + N/(2
 * batch), deviation ≤ √(N/6), four of them), and all N.
 */
function headCapacity({ batch, length }: BatchShape, masked: number): number {
  const total = batch * length;
  const usual = Math.ceil((total / 2 + total / (2 * batch) + 4 * Math.sqrt(total / 6)) / 32) * 32;
  return masked <= usual && usual < total ? usual : total;
}
