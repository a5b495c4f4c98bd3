/**
 * Which windows training sees, and in which order. An epoch cuts the corpus at a random offset into windows, shuffles them and shows each once.
 * The windows do not overlap, but for the two at the ends: where the offset leaves less than a window there, that window is moved inwards
 * over its neighbour. So every epoch shows every token, first and last ones included, and every epoch cuts elsewhere.
 */
import { UserError } from "../platform/errors.ts";
import { random } from "../platform/random.ts";
import type { TokenSource } from "./source.ts";

/** Names of our streams of random numbers; other users of the same seed have others. */
const WINDOWS = 0x77696e64;
const LENGTHS = 0x6c656e67;

/** Where a sampler stands; plain JSON, for a checkpoint. */
export interface SamplerState {
  readonly seed: number;
  /** Tokens of the corpus, to notice another one. */
  readonly count: number;
  /** For every window length that was used: the epoch (from 0) and how many of its windows were given out. */
  readonly positions: readonly { readonly length: number; readonly epoch: number; readonly index: number }[];
}

export interface WindowSampler {
  /**
   * The next windows, as tokens [rows, length]. A batch that an epoch cannot fill goes on into the next one, so nothing is dropped. Each length
   * goes through the corpus on its own. UserError for a corpus shorter than one window.
   */
  nextBatch(rows: number, length: number): Promise<Int32Array>;
  /** What {@link windowSampler} goes on from: the position after all batches asked for so far. */
  state(): SamplerState;
}

/** A sampler from its beginning (a seed) or from where another one stood (its state). Equal states give equal batches. */
export function windowSampler(source: TokenSource, from: number | SamplerState): WindowSampler {
  const seed = typeof from === "number" ? from : from.seed;
  const positions = new Map<number, { epoch: number; index: number }>();
  if (typeof from !== "number") {
    if (from.count !== source.count) {
      throw new UserError(
        `corpus: ${source.count} tokens, but the state to resume is of a corpus of ${from.count}; use the same files and tokenizer`,
      );
    }
    for (const { length, epoch, index } of from.positions) positions.set(length, { epoch, index });
  }
  const epochs = new Map<number, { epoch: number; starts: Float64Array }>();
  const startsOf = (length: number, epoch: number): Float64Array => {
    let entry = epochs.get(length);
    if (entry?.epoch !== epoch) {
      entry = { epoch, starts: epochStarts(source.count, length, seed, epoch) };
      epochs.set(length, entry);
    }
    return entry.starts;
  };
  return {
    async nextBatch(rows, length) {
      requireWindow(source.count, length);
      // The position moves before the first read, so that batches may be asked for ahead.
      const position = positions.get(length) ?? { epoch: 0, index: 0 };
      positions.set(length, position);
      const chosen: number[] = [];
      while (chosen.length < rows) {
        const starts = startsOf(length, position.epoch);
        if (position.index < starts.length) {
          chosen.push(starts[position.index++]!);
        } else {
          position.epoch++;
          position.index = 0;
        }
      }
      const batch = new Int32Array(rows * length);
      for (const [row, start] of chosen.entries()) batch.set(await source.window(start, length), row * length);
      return batch;
    },
    state: () => ({
      seed,
      count: source.count,
      positions: Array.from(positions, ([length, { epoch, index }]) => ({ length, epoch, index })),
    }),
  };
}

/** Where the windows of an epoch begin, in the order in which they are shown. */
export function epochStarts(count: number, length: number, seed: number, epoch: number): Float64Array {
  requireWindow(count, length);
  const generator = random(seed, WINDOWS, length, epoch);
  const offset = generator.integer(length);
  const starts: number[] = [];
  for (let start = offset === 0 ? 0 : offset - length; start < count; start += length) {
    const inside = Math.min(Math.max(start, 0), count - length);
    if (starts.at(-1) !== inside) starts.push(inside);
  }
  const order = Float64Array.from(starts);
  for (let i = order.length - 1; i > 0; i--) {
    const j = generator.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/** A window length and its share of the batches; shares need not sum to 1. */
export interface WeightedLength {
  readonly length: number;
  readonly weight: number;
}

/** Which of `lengths` a batch has: a function of the seed and the batch's number alone, so there is no state to save. */
export function drawWindow<T extends WeightedLength>(lengths: readonly T[], seed: number, batch: number): T {
  const total = lengths.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0) || lengths.some(({ weight }) => !(weight >= 0))) {
    throw new UserError(
      `lengths: weights ${lengths.map(({ weight }) => weight).join(", ")} are no shares; give numbers ≥ 0, one of them above 0`,
    );
  }
  let left = random(seed, LENGTHS, batch).uniform() * total;
  return lengths.find(({ weight }) => (left -= weight) < 0) ?? lengths.findLast(({ weight }) => weight > 0)!;
}

function requireWindow(count: number, length: number): void {
  if (!Number.isInteger(length) || length < 1) throw new UserError(`length: ${length} is no window length; give an integer of at least 1`);
  if (count < length) {
    throw new UserError(`corpus: ${count} tokens are fewer than one window of ${length}; give more text or a shorter length`);
  }
}
