/** Tracing: every mistake in shapes or types is found while tracing, by an error that names the operation and what met. */
import { describe, expect, test } from "vitest";
import * as ops from "../../src/tensor/index.ts";
import { constant, scalar, trace, TraceError, withGradient, zeros, type Tensor } from "../../src/tensor/program.ts";

const ints = (...shape: number[]): Tensor => constant(new Int32Array(shape.reduce((a, b) => a * b, 1)), shape);
const bools = (...shape: number[]): Tensor => constant(new Uint8Array(shape.reduce((a, b) => a * b, 1)), shape);
const floats = (...shape: number[]): Tensor => zeros(shape);

const mistakes: [what: string, make: () => unknown, message: string][] = [
  ["add", () => ops.add(floats(2, 3), floats(2, 4)), "add: shapes do not broadcast: [2, 3] and [2, 4]"],
  ["sub", () => ops.sub(floats(3), floats(2)), "sub: shapes do not broadcast: [3] and [2]"],
  ["mul", () => ops.mul(floats(2, 5, 3), floats(4, 1)), "mul: shapes do not broadcast: [2, 5, 3] and [4, 1]"],
  ["div", () => ops.div(floats(5), floats(4)), "div: shapes do not broadcast: [5] and [4]"],
  ["add of integers", () => ops.add(floats(2), ints(2)), "add: expects float32, got int32 of shape [2]"],
  ["exp of integers", () => ops.exp(ints(2, 3)), "exp: expects float32, got int32 of shape [2, 3]"],
  ["log of booleans", () => ops.log(bools(4)), "log: expects float32, got bool of shape [4]"],
  ["silu of integers", () => ops.silu(ints(1)), "sigmoid: expects float32, got int32 of shape [1]"],
  ["where without a condition", () => ops.where(floats(2), floats(2), floats(2)), "where: expects bool, got float32 of shape [2]"],
  ["where of integers", () => ops.where(bools(2), ints(2), 0), "where: expects float32, got int32 of shape [2]"],
  ["where", () => ops.where(bools(2), floats(3), floats(3)), "where: shapes do not broadcast: [2] and [3]"],
  ["reduceSum of integers", () => ops.reduceSum(ints(2)), "reduceSum: expects float32, got int32 of shape [2]"],
  ["reduceSum", () => ops.reduceSum(floats(2, 3), [2]), "reduceSum: axis 2 is outside [2, 3]"],
  ["reduceSum over −1", () => ops.reduceSum(floats(2, 3), [-1]), "reduceSum: axis -1 is outside [2, 3]"],
  ["logSumExp", () => ops.logSumExp(scalar(1)), "logSumExp: needs an axis, got []"],
  ["reshape", () => ops.reshape(floats(2, 3), [4, 2]), "reshape: sizes differ: [2, 3] to [4, 2]"],
  ["reshape to negative extents", () => ops.reshape(floats(2, 3), [-2, -3]), "reshape: sizes differ: [2, 3] to [-2, -3]"],
  ["transpose", () => ops.transpose(floats(2, 3), [0, 0]), "transpose: [0, 0] is no order of the axes of [2, 3]"],
  ["transpose of another rank", () => ops.transpose(floats(2, 3), [0, 1, 2]), "transpose: [0, 1, 2] is no order of the axes of [2, 3]"],
  ["broadcastTo", () => ops.broadcastTo(floats(2), [3]), "broadcastTo: shapes do not broadcast: [2] and [3]"],
  ["broadcastTo a smaller shape", () => ops.broadcastTo(floats(2, 3), [3]), "broadcastTo: [2, 3] does not fit [3]"],
  ["concat", () => ops.concat([floats(2, 3), floats(3, 3)], 1), "concat: parts do not fit along axis 1: float32 [2, 3] and float32 [3, 3]"],
  ["concat of two types", () => ops.concat([floats(2), ints(2)], 0), "concat: parts do not fit along axis 0: float32 [2] and int32 [2]"],
  ["concat outside the axes", () => ops.concat([floats(2)], 1), "concat: axis 1 is outside [2]"],
  ["concat of nothing", () => ops.concat([], 0), "concat: nothing to join"],
  ["split", () => ops.split(floats(2, 5), 1, [2, 2]), "split: [2, 2] does not cut axis 1 of [2, 5]"],
  ["split into negative parts", () => ops.split(floats(2, 5), 1, [6, -1]), "split: [6, -1] does not cut axis 1 of [2, 5]"],
  ["split outside the axes", () => ops.split(floats(2), 1, [2]), "split: [2] does not cut axis 1 of [2]"],
  ["gemm", () => ops.gemm(floats(2, 3), floats(2, 3)), "gemm: inner extents differ: [2, 3] and [2, 3]"],
  [
    "gemm, transposed",
    () => ops.gemm(floats(2, 3), floats(4, 3), { transposeA: true, transposeB: true }),
    "gemm: inner extents differ: [3, 2] and [3, 4]",
  ],
  ["gemm of no matrix", () => ops.gemm(floats(2, 3, 1), floats(3, 2)), "gemm: expects two matrices, got [2, 3, 1] and [3, 2]"],
  ["gemm with a bias", () => ops.gemm(floats(2, 3), floats(3, 4), { bias: floats(3) }), "gemm: the bias of [2, 4] cannot be [3]"],
  ["gemm of integers", () => ops.gemm(ints(2, 3), floats(3, 4)), "gemm: expects float32, got int32 of shape [2, 3]"],
  ["linear", () => ops.linear(floats(2, 3), floats(3, 4)), "gemm: inner extents differ: [2, 3] and [4, 3]"],
  ["matmul", () => ops.matmul(floats(1, 2, 3), floats(1, 2, 3)), "matmul: inner extents differ: [1, 2, 3] and [1, 2, 3]"],
  ["matmul of batches", () => ops.matmul(floats(2, 2, 3), floats(3, 3, 2)), "matmul: shapes do not broadcast: [2, 2, 3] and [3, 3, 2]"],
  ["matmul of a vector", () => ops.matmul(floats(3), floats(3, 2)), "matmul: expects matrices, got [3] and [3, 2]"],
  ["gather by numbers", () => ops.gather(floats(2, 3), floats(2)), "gather: expects int32, got float32 of shape [2]"],
  ["gather from a vector", () => ops.gather(floats(2), ints(2)), "gather: the table must be a matrix, got [2]"],
  ["selectRows", () => ops.selectRows(floats(4, 2), ints(3), ints(3)), "selectRows: expects [n, d], [m] and [n], got [4, 2], [3] and [3]"],
  ["pick", () => ops.pick(floats(4, 2), ints(3)), "pick: expects [n, s] and [n], got [4, 2] and [3]"],
  ["pick by numbers", () => ops.pick(floats(4, 2), floats(4)), "pick: expects int32, got float32 of shape [4]"],
  ["equals", () => ops.equals(floats(2), 0), "equals: expects int32, got float32 of shape [2]"],
  ["gelu", () => ops.gelu(ints(2)), "gelu: expects float32, got int32 of shape [2]"],
  ["softmax", () => ops.softmax(bools(2)), "softmax: expects float32, got bool of shape [2]"],
  ["softmax of a number", () => ops.softmax(scalar(1)), "softmax: needs an axis, got []"],
  ["layerNorm", () => ops.layerNorm(floats(2, 4), floats(3)), "layerNorm: [3] does not scale [2, 4]"],
  ["layerNorm with a shift", () => ops.layerNorm(floats(2, 4), floats(4), floats(1)), "layerNorm: [1] does not scale [2, 4]"],
  [
    "attention",
    () => ops.attention(floats(1, 2, 3), floats(1, 2, 4), floats(1, 2, 4)),
    "attention: shapes do not fit: [1, 2, 3], [1, 2, 4] and [1, 2, 4]",
  ],
  [
    "attention over batches",
    () => ops.attention(floats(2, 2, 3), floats(1, 2, 3), floats(1, 2, 3)),
    "attention: shapes do not fit: [2, 2, 3], [1, 2, 3] and [1, 2, 3]",
  ],
  [
    "attention to values",
    () => ops.attention(floats(1, 2, 3), floats(1, 2, 3), floats(1, 4, 3)),
    "attention: shapes do not fit: [1, 2, 3], [1, 2, 3] and [1, 4, 3]",
  ],
  [
    "attention with a mask",
    () => ops.attention(floats(1, 2, 3), floats(1, 4, 3), floats(1, 4, 3), floats(2, 1, 4)),
    "attention: the mask [2, 1, 4] does not fit scores of [1, 2, 4]",
  ],
  ["rotary", () => ops.rotary(floats(1, 2, 6), 2), "rotary: expects [batch, length, 2 heads × an even width], got [1, 2, 6]"],
  ["dropout", () => ops.dropout(floats(2, 3), bools(5), 0.1), "dropout: the mask [5] does not fit [2, 3]"],
  ["dropout by numbers", () => ops.dropout(floats(2, 3), floats(2, 3), 0.1), "dropout: expects bool, got float32 of shape [2, 3]"],
  ["constant", () => constant(new Float32Array(5), [2, 3]), "constant: 5 values do not fill [2, 3]"],
  [
    "an input without extent",
    () => trace({ x: { dtype: "float32", shape: [2, 0] } }, ({ x }) => ({ y: x })),
    "input x: every extent must be a positive integer, got [2, 0]",
  ],
  [
    "an output named as an input",
    () => trace({ x: { dtype: "float32", shape: [2] } }, ({ x }) => ({ x: ops.exp(x) })),
    "trace: an input and an output are both named x",
  ],
];

describe("an error of tracing begins with the operation and ends with what met", () => {
  test.each(mistakes)("%s", (_, make, message) => {
    expect(make).toThrow(TraceError);
    expect(make).toThrow(new TraceError(message));
  });
});

test("tracing computes shapes and types without running anything", () => {
  const { inputs, outputs } = trace(
    { x: { dtype: "float32", shape: [2, 3, 4] }, tokens: { dtype: "int32", shape: [2, 3] }, table: { dtype: "float32", shape: [7, 4] } },
    ({ x, tokens, table }) => ({
      found: ops.add(ops.gather(table, tokens), x),
      padding: ops.equals(tokens, 0),
      scores: ops.matmul(x, x, { transposeB: true }),
    }),
  );
  const specOf = ({ dtype, shape }: Tensor): unknown => [dtype, ...shape];
  expect(specOf(inputs["tokens"]!)).toEqual(["int32", 2, 3]);
  expect(specOf(outputs["found"]!)).toEqual(["float32", 2, 3, 4]);
  expect(specOf(outputs["padding"]!)).toEqual(["bool", 2, 3]);
  expect(specOf(outputs["scores"]!)).toEqual(["float32", 2, 3, 3]);
});

test("a program of a hundred thousand nodes is ordered without recursion", () => {
  let x = scalar(0);
  for (let i = 0; i < 100_000; i++) x = ops.neg(x);
  expect(ops.simplify({ inputs: {}, outputs: { x } }).outputs["x"]!.dtype).toBe("float32");
});

test("withGradient has the shape and type of its value", () => {
  const x = floats(2, 3);
  const y = withGradient(ops.reduceSum(x, [1]), [x], (d) => [ops.broadcastTo(d, [2, 3])]);
  expect([y.dtype, ...y.shape]).toEqual(["float32", 2, 1]);
});
