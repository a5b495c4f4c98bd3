/** Operations that look values up by integer indices, and comparisons of integers. */
import { apply, constant, show, TraceError, zeros, type Shape, type Tensor } from "../program.ts";
import { expect } from "./elementwise.ts";
import { concat, reshape } from "./shape.ts";

/** Rows of a matrix: table [r, d], indices (int32, any shape s) → [...s, d]. */
export function gather(table: Tensor, indices: Tensor): Tensor {
  expect("gather", "float32", table);
  expect("gather", "int32", indices);
  if (table.rank !== 2) throw new TraceError(`gather: the table must be a matrix, got ${show(table.shape)}`);
  const width = table.shape[1]!;
  return apply(
    "Gather",
    [table, indices],
    { dtype: "float32", shape: [...indices.shape, width] },
    ([d]) => [scatterRows(reshape(indices, [indices.shape.reduce((a, b) => a * b, 1)]), d!, table.shape), undefined],
    { axis: { int: 0 } },
  );
}

/**
 * Σ of `rows` [n, d] into a zero matrix of shape [r, d] at `indices` [n], repeated indices included: the gradient of an embedding. No ONNX
 * operator computes it both exactly and cheaply (the runtime's ScatterND with reduction=add loses updates with two threads), so where it is
 * an output of a program, execution adds the rows in a plain loop; elsewhere the ONNX builder writes a product with a one-hot matrix.
 */
export function scatterRows(indices: Tensor, rows: Tensor, shape: Shape): Tensor {
  const flat = reshape(rows, [indices.shape[0]!, shape[1]!]);
  return apply("ScatterRows", [indices, flat], { dtype: "float32", shape });
}

/**
 * Chosen rows of x [n, d] as [m, d]; `rows` [m] are their indices, `inverse` [n] says at which of the m a row stands, or m where it was not
 * chosen. A row index may repeat (padding) only where the adjoint of the repeats is zero: the gradient is a lookup by `inverse`.
 */
export function selectRows(x: Tensor, rows: Tensor, inverse: Tensor): Tensor {
  expect("selectRows", "float32", x);
  expect("selectRows", "int32", rows, inverse);
  if (x.rank !== 2 || rows.rank !== 1 || inverse.rank !== 1 || inverse.shape[0] !== x.shape[0]) {
    throw new TraceError(`selectRows: expects [n, d], [m] and [n], got ${show(x.shape)}, ${show(rows.shape)} and ${show(inverse.shape)}`);
  }
  const [, width] = x.shape as [number, number];
  return apply(
    "Gather",
    [x, rows],
    { dtype: "float32", shape: [rows.shape[0]!, width] },
    ([d]) => [gather(concat([d!, zeros([1, width])], 0), inverse), undefined],
    { axis: { int: 0 } },
  );
}

/** One value a row: x [n, s], index [n] (int32) → [n, 1]. */
export function pick(x: Tensor, index: Tensor): Tensor {
  expect("pick", "float32", x);
  expect("pick", "int32", index);
  if (x.rank !== 2 || index.rank !== 1 || index.shape[0] !== x.shape[0]) {
    throw new TraceError(`pick: expects [n, s] and [n], got ${show(x.shape)} and ${show(index.shape)}`);
  }
  const column = reshape(index, [index.shape[0]!, 1]);
  return apply(
    "GatherElements",
    [x, column],
    { dtype: "float32", shape: column.shape },
    ([d]) => [scatterPicked(nothing, x.shape, column, d!), undefined],
    { axis: { int: 1 } },
  );
}

/** Stands for zeros of any shape as the base of {@link scatterPicked}. */
export const nothing: Tensor = zeros([1, 1]);

/**
 * `base` + the values [n, 1] put at `column` [n, 1] of each row. gradient.ts replaces the base {@link nothing} by the rest of the adjoint, so
 * that the sum costs one pass. One index a row, so no two updates meet.
 */
export function scatterPicked(base: Tensor, shape: Shape, column: Tensor, values: Tensor): Tensor {
  return apply("ScatterElements", [base, column, values], { dtype: "float32", shape }, undefined, {
    axis: { int: 1 },
    reduction: { text: "add" },
  });
}

/**
 * x [n, s] with `value` at the columns `index` [n, k] (int32) of each row; an index may repeat. What stood there has no gradient.
 */
export function replaceAt(x: Tensor, index: Tensor, value: number): Tensor {
  expect("replaceAt", "float32", x);
  expect("replaceAt", "int32", index);
  if (x.rank !== 2 || index.rank !== 2 || index.shape[0] !== x.shape[0]) {
    throw new TraceError(`replaceAt: expects [n, s] and [n, k], got ${show(x.shape)} and ${show(index.shape)}`);
  }
  const values = constant(new Float32Array(index.shape[0]! * index.shape[1]!).fill(value), index.shape);
  return apply(
    "ScatterElements",
    [x, index, values],
    { dtype: "float32", shape: x.shape },
    ([d]) => [replaceAt(d!, index, 0), undefined, undefined],
    { axis: { int: 1 } },
  );
}

/** `x == value`, boolean, of an int32 tensor. */
export function equals(x: Tensor, value: number): Tensor {
  expect("equals", "int32", x);
  return apply("Equal", [x, constant(Int32Array.of(value), [])], { dtype: "bool", shape: x.shape });
}
