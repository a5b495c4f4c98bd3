/** Reductions over axes. */
import { apply, integers, show, TraceError, type Shape, type Tensor } from "../program.ts";
import { exp, expect, mul, sub } from "./elementwise.ts";
import { broadcastTo, reshape } from "./shape.ts";

function reducedShape(operation: string, shape: Shape, axes: readonly number[]): Shape {
  for (const axis of axes) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= shape.length)
      throw new TraceError(`${operation}: axis ${axis} is outside ${show(shape)}`);
  }
  return shape.map((extent, i) => (axes.includes(i) ? 1 : extent));
}

/** Sum over `axes`, which stay with extent 1. */
export function reduceSum(x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i)): Tensor {
  expect("reduceSum", "float32", x);
  const shape = reducedShape("reduceSum", x.shape, axes);
  if (axes.length === 0) return x;
  return apply("ReduceSum", [x, integers(axes)], { dtype: "float32", shape }, ([d]) => [broadcastTo(d!, x.shape), undefined], {
    keepdims: { int: 1 },
  });
}

/** Sum of everything, of shape []. */
export const sum = (x: Tensor): Tensor => reshape(reduceSum(x), []);

/** log Σ exp over the last axis, which stays with extent 1. */
export function logSumExp(x: Tensor): Tensor {
  expect("logSumExp", "float32", x);
  if (x.rank === 0) throw new TraceError("logSumExp: needs an axis, got []");
  const shape = [...x.shape.slice(0, -1), 1];
  const y: Tensor = apply(
    "ReduceLogSumExp",
    [x, integers([x.rank - 1])],
    { dtype: "float32", shape },
    ([d]) => [mul(exp(sub(x, y)), d!), undefined],
    { keepdims: { int: 1 } },
  );
  return y;
}
