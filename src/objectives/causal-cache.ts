/**
 * A causal network's trunk for a text that grows from left to right: keys and values of what stands there already are kept, so that the next position costs one
 * token instead of all of them. Each run has its own (ScoreModel.forRun), so that what is computed from the cache and what is not depends on the run's
 * template alone.
 */
import { HIDDEN } from "../network/ddit.ts";
import type { CausalTrunk } from "../network/logits-network.ts";
import type { StatesNetwork } from "../network/states-network.ts";
import { trace, type Program, type Spec, type Tensor } from "../tensor/index.ts";
import type { Execute } from "./programs.ts";
import type { TrunkOutput } from "./sedd-score.ts";

/** Keys and values of the first `length` inputs of some rows, each layer's [batch, heads, capacity, width]. */
interface Cache {
  inputs: Int32Array[];
  length: number;
  capacity: number;
  keys: Float32Array[];
  values: Float32Array[];
}

/** The least positions that a program is compiled for; then powers of two. */
const LEAST_CAPACITY = 16;

/**
 * @param specs the trunk's parameters
 * @param rowsOf how many rows a call of so many is compiled for
 * @returns what the head reads at `positions`, which must be the same one in every row; undefined for other questions
 */
export function cachingTrunk(
  network: StatesNetwork,
  causal: CausalTrunk,
  specs: Record<string, Spec>,
  execute: Execute,
  rowsOf: (rows: number) => number,
): (tokens: Int32Array, rows: number, positions: Int32Array) => Promise<TrunkOutput | undefined> {
  const { hidden, heads, layers } = network;
  const width = hidden / heads;
  const each = <T>(make: (layer: number) => T): T[] => Array.from({ length: layers }, (_, layer) => make(layer));
  const named = (kind: string, tensors: readonly Tensor[]) => Object.fromEntries(tensors.map((tensor, i) => [`${kind}${i}`, tensor]));
  const caches = new Map<number, Cache>();

  /** Inputs 0 … position in one call, whose keys and values begin a cache. */
  const fill = async (inputs: Int32Array[], batch: number, position: number): Promise<{ cache: Cache; result: TrunkOutput }> => {
    let capacity = LEAST_CAPACITY;
    while (capacity <= position) capacity *= 2;
    capacity = Math.min(capacity, network.longest ?? capacity);
    const padded = new Int32Array(batch * capacity);
    inputs.forEach((row, r) => padded.set(row.subarray(0, position + 1), r * capacity));
    const build = (): Program =>
      trace({ ...specs, tokens: { dtype: "int32", shape: [batch, capacity] } }, (given: Record<string, Tensor>) => {
        const { output, keys, values } = causal.trunk(given, { tokens: given["tokens"]! });
        return { output, ...named("key", keys), ...named("value", values) };
      });
    const results = await execute(`fill ${batch} ${capacity}`, build, { tokens: padded });
    const [keys, values] = [each((i) => results[`key${i}`]!), each((i) => results[`value${i}`]!)];
    return {
      cache: { inputs, length: position + 1, capacity, keys, values },
      result: { output: results["output"]!, place: (row) => row * capacity + position },
    };
  };

  /** The one input at `cache.length`, whose keys and values join the cache. */
  const extend = async (cache: Cache, batch: number): Promise<TrunkOutput> => {
    const position = cache.length;
    if (position === cache.capacity) {
      const grown = (old: Float32Array): Float32Array => spread(old, cache.capacity * width, 2 * cache.capacity * width);
      [cache.keys, cache.values, cache.capacity] = [cache.keys.map(grown), cache.values.map(grown), 2 * cache.capacity];
    }
    const { capacity } = cache;
    const past = { dtype: "float32", shape: [batch, heads, capacity, width] } as const;
    const build = (): Program => {
      const signature: Record<string, Spec> = {
        ...specs,
        tokens: { dtype: "int32", shape: [batch, 1] },
        positions: { dtype: causal.positions, shape: [batch, 1] },
        mask: { dtype: "float32", shape: [1, 1, 1, capacity + 1] },
        ...Object.fromEntries(each((i) => [[`key${i}`, past] as const, [`value${i}`, past] as const]).flat()),
      };
      return trace(signature, (given: Record<string, Tensor>) => {
        const { output, keys, values } = causal.trunk(given, {
          tokens: given["tokens"]!,
          past: {
            keys: each((i) => given[`key${i}`]!),
            values: each((i) => given[`value${i}`]!),
            positions: given["positions"]!,
            limit: capacity,
            mask: given["mask"]!,
          },
        });
        return { output, ...named("newKey", keys), ...named("newValue", values) };
      });
    };
    const tokens = new Int32Array(batch);
    cache.inputs.forEach((row, r) => (tokens[r] = row[position]!));
    const mask = Float32Array.from({ length: capacity + 1 }, (_, i) => (i >= position && i < capacity ? HIDDEN : 0));
    const results = await execute(`extend ${batch} ${capacity}`, build, {
      tokens,
      positions: causal.positions === "int64" ? new BigInt64Array(batch).fill(BigInt(position)) : new Int32Array(batch).fill(position),
      mask,
      ...Object.fromEntries(each((i) => [[`key${i}`, cache.keys[i]!] as const, [`value${i}`, cache.values[i]!] as const]).flat()),
    });
    const put = (into: Float32Array, from: Float32Array): void => {
      for (let at = 0; at * width < from.length; at++)
        into.set(from.subarray(at * width, (at + 1) * width), (at * capacity + position) * width);
    };
    for (let i = 0; i < layers; i++) {
      put(cache.keys[i]!, results[`newKey${i}`]!);
      put(cache.values[i]!, results[`newValue${i}`]!);
    }
    cache.length++;
    return { output: results["output"]!, place: (row) => row };
  };

  return async (tokens, rows, positions) => {
    const length = tokens.length / rows;
    const position = positions[0]! % length;
    if (positions.length !== rows || positions.some((at, r) => at !== r * length + position)) return undefined;
    const inputs = Array.from({ length: rows }, (_, r) => network.read(tokens.subarray(r * length, (r + 1) * length)));
    // A run keeps its sequences in one array and asks about parts of it, always the same: where a part begins tells which it is.
    const kept = caches.get(tokens.byteOffset);
    const goesOn =
      kept?.length === position &&
      kept.inputs.length === rows &&
      kept.inputs.every((row, r) => row.subarray(0, position).every((token, i) => token === inputs[r]![i]));
    if (!goesOn) {
      const { cache, result } = await fill(inputs, rowsOf(rows), position);
      caches.set(tokens.byteOffset, cache);
      return result;
    }
    kept.inputs = inputs;
    return extend(kept, rowsOf(rows));
  };
}

/** Blocks of `from` numbers each at the beginning of a block of `to`. */
function spread(old: Float32Array, from: number, to: number): Float32Array {
  const blocks = old.length / from;
  const out = new Float32Array(blocks * to);
  for (let b = 0; b < blocks; b++) out.set(old.subarray(b * from, (b + 1) * from), b * to);
  return out;
}
