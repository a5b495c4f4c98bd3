/** Operations that move or repeat values without computing. */
import { apply, applyMany, integers, sameShape, show, sizeOf, TraceError, zeros, type Shape, type Tensor } from "../program.ts";
import { broadcast, unbroadcast } from "./elementwise.ts";

export function reshape(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(x.shape) !== sizeOf(shape) || shape.some((extent) => extent < 1))
    throw new TraceError(`reshape: sizes differ: ${show(x.shape)} to ${show(shape)}`);
  if (sameShape(x.shape, shape)) return x;
  return apply("Reshape", [x, integers(shape)], { dtype: x.dtype, shape }, ([d]) => [reshape(d!, x.shape), undefined]);
}

export function transpose(x: Tensor, order: readonly number[]): Tensor {
  if (order.length !== x.rank || new Set(order).size !== x.rank || order.some((axis) => x.shape[axis] === undefined)) {
    throw new TraceError(`transpose: ${show(order)} is no order of the axes of ${show(x.shape)}`);
  }
  const inverse = order.map((_, axis) => order.indexOf(axis));
  const shape = order.map((axis) => x.shape[axis]!);
  return apply("Transpose", [x], { dtype: x.dtype, shape }, ([d]) => [transpose(d!, inverse)], { perm: { ints: order } });
}

export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (!sameShape(broadcast("broadcastTo", x.shape, shape), shape))
    throw new TraceError(`broadcastTo: ${show(x.shape)} does not fit ${show(shape)}`);
  if (sameShape(x.shape, shape)) return x;
  return apply("Expand", [x, integers(shape)], { dtype: x.dtype, shape }, ([d]) => [unbroadcast(d!, x.shape), undefined]);
}

export function concat(parts: readonly Tensor[], axis: number): Tensor {
  const first = parts[0];
  if (!first) throw new TraceError("concat: nothing to join");
  for (const part of parts) {
    if (part.dtype !== first.dtype || part.rank !== first.rank || part.shape.some((extent, i) => i !== axis && extent !== first.shape[i])) {
      throw new TraceError(
        `concat: parts do not fit along axis ${axis}: ${first.dtype} ${show(first.shape)} and ${part.dtype} ${show(part.shape)}`,
      );
    }
  }
  if (first.shape[axis] === undefined) throw new TraceError(`concat: axis ${axis} is outside ${show(first.shape)}`);
  const sizes = parts.map((part) => part.shape[axis]!);
  const shape = first.shape.map((extent, i) => (i === axis ? sizes.reduce((a, b) => a + b) : extent));
  return apply("Concat", parts, { dtype: first.dtype, shape }, ([d]) => split(d!, axis, sizes), { axis: { int: axis } });
}

/** Cuts `x` along `axis` into parts of the given sizes. The gradient is a Concat: cheaper than a padded sum for each part. */
export function split(x: Tensor, axis: number, sizes: readonly number[]): Tensor[] {
  if (x.shape[axis] === undefined || sizes.reduce((a, b) => a + b, 0) !== x.shape[axis] || sizes.some((size) => size < 1)) {
    throw new TraceError(`split: ${show(sizes)} does not cut axis ${axis} of ${show(x.shape)}`);
  }
  const specs = sizes.map((size) => ({ dtype: x.dtype, shape: x.shape.map((extent, i) => (i === axis ? size : extent)) }));
  return applyMany(
    "Split",
    [x, integers(sizes)],
    specs,
    (adjoints) => [
      concat(
        adjoints.map((d, i) => d ?? zeros(specs[i]!.shape)),
        axis,
      ),
      undefined,
    ],
    { axis: { int: axis } },
  );
}
