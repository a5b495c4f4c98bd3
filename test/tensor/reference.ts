/**
 * Operations on small arrays in float64, written index by index: slow, obvious, and sharing nothing with the engine. What traced programs
 * are compared with, and what finite differences are taken of.
 */
import { random } from "../../src/platform/random.ts";

export interface Nd {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/** The array whose entry at each index is f(index). */
export function make(shape: readonly number[], f: (index: number[]) => number): Nd {
  const index = shape.map(() => 0);
  const data = new Float64Array(sizeOf(shape));
  for (let at = 0; at < data.length; at++) {
    data[at] = f(index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
  }
  return { shape, data };
}

/** The entry that x has at `index` when it is broadcast there (NumPy's rule: axes align at the end, extent 1 repeats). */
export function at(x: Nd, index: readonly number[]): number {
  let offset = 0;
  for (let axis = 0; axis < x.shape.length; axis++) {
    const extent = x.shape[axis]!;
    offset = offset * extent + (extent === 1 ? 0 : index[index.length - x.shape.length + axis]!);
  }
  return x.data[offset]!;
}

export function broadcastShape(...shapes: (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => Math.max(...shapes.map((shape) => shape[shape.length - rank + i] ?? 1)));
}

export const map = (x: Nd, f: (value: number) => number): Nd => ({ shape: x.shape, data: x.data.map(f) });
export const zip = (a: Nd, b: Nd, f: (a: number, b: number) => number): Nd =>
  make(broadcastShape(a.shape, b.shape), (i) => f(at(a, i), at(b, i)));

/** Σ of f(k) for k < n. */
export function total(n: number, f: (k: number) => number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += f(k);
  return sum;
}

/** Sum over `axes`, which stay with extent 1. */
export function reduceSum(x: Nd, axes: readonly number[]): Nd {
  const out = make(
    x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent)),
    () => 0,
  );
  make(x.shape, (index) => {
    let offset = 0;
    out.shape.forEach((extent, axis) => (offset = offset * extent + (extent === 1 ? 0 : index[axis]!)));
    return (out.data[offset]! += at(x, index));
  });
  return out;
}

/** Each row of the last axis through `f`. */
export function overLast(x: Nd, width: number, f: (row: Float64Array) => ArrayLike<number>): Nd {
  const from = x.shape.at(-1)!;
  const data = new Float64Array((x.data.length / from) * width);
  for (let row = 0; row * from < x.data.length; row++) data.set(f(x.data.subarray(row * from, (row + 1) * from)), row * width);
  return { shape: [...x.shape.slice(0, -1), width], data };
}

export const softmax = (x: Nd): Nd =>
  overLast(x, x.shape.at(-1)!, (row) => {
    const top = Math.max(...row);
    const sum = row.reduce((a, b) => a + Math.exp(b - top), 0);
    return row.map((value) => Math.exp(value - top) / sum);
  });

export const logSumExp = (x: Nd): Nd =>
  overLast(x, 1, (row) => {
    const top = Math.max(...row);
    return [top + Math.log(row.reduce((a, b) => a + Math.exp(b - top), 0))];
  });

/** scale · A(ᵀ)·B(ᵀ) over the last two axes, those before them broadcast. */
export function matmul(a: Nd, b: Nd, { transposeA = false, transposeB = false, scale = 1 } = {}): Nd {
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, k, n] = [transposeA ? columnsA : rowsA, transposeA ? rowsA : columnsA, transposeB ? rowsB : columnsB];
  return make([...broadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2)), m, n], (index) => {
    const [lead, i, j] = [index.slice(0, -2), index.at(-2)!, index.at(-1)!];
    return (
      scale *
      total(
        k,
        (h) =>
          at2(a, lead, ...(transposeA ? ([h, i] as const) : ([i, h] as const))) *
          at2(b, lead, ...(transposeB ? ([j, h] as const) : ([h, j] as const))),
      )
    );
  });
}

/** The entry of a matrix in a batch: the batch axes broadcast, the last two do not. */
function at2(x: Nd, lead: readonly number[], row: number, column: number): number {
  const batch = x.shape.slice(0, -2);
  let offset = 0;
  batch.forEach((extent, axis) => (offset = offset * extent + (extent === 1 ? 0 : lead[lead.length - batch.length + axis]!)));
  return x.data[(offset * x.shape.at(-2)! + row) * x.shape.at(-1)! + column]!;
}

export const transpose = (x: Nd, order: readonly number[]): Nd =>
  make(
    order.map((axis) => x.shape[axis]!),
    (index) =>
      at(
        x,
        x.shape.map((_, axis) => index[order.indexOf(axis)]!),
      ),
  );

/** Uniform on [low, high), every value a float32. */
export function uniform(shape: readonly number[], seed: number, low = -1.5, high = 1.5): Nd {
  const draw = random(seed, sizeOf(shape));
  return make(shape, () => Math.fround(low + (high - low) * draw.uniform()));
}
