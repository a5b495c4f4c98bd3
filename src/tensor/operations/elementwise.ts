/** Elementwise operations with NumPy broadcasting, and their gradients. */
import { apply, sameShape, scalar, show, TraceError, type DType, type Shape, type Tensor } from "../program.ts";
import { reshape } from "./shape.ts";
import { reduceSum } from "./reduce.ts";

/** A tensor, or a number that becomes a float32 scalar. */
export type Operand = Tensor | number;
export const lift = (operand: Operand): Tensor => (typeof operand === "number" ? scalar(operand) : operand);

/** The shape that two shapes broadcast to; an error shows `whole`. */
export function broadcast(operation: string, a: Shape, b: Shape, whole: readonly [Shape, Shape] = [a, b]): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const x = a[a.length - rank + i] ?? 1;
    const y = b[b.length - rank + i] ?? 1;
    if (x !== y && x !== 1 && y !== 1)
      throw new TraceError(`${operation}: shapes do not broadcast: ${show(whole[0])} and ${show(whole[1])}`);
    return Math.max(x, y);
  });
}

/** The adjoint of broadcasting: sums `x` back to `shape`. */
export function unbroadcast(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.map((_, i) => i).filter((i) => i < lead || (shape[i - lead] === 1 && x.shape[i] !== 1));
  return reshape(axes.length === 0 ? x : reduceSum(x, axes), shape);
}

export function expect(operation: string, dtype: DType, ...tensors: Tensor[]): void {
  for (const tensor of tensors) {
    if (tensor.dtype !== dtype) throw new TraceError(`${operation}: expects ${dtype}, got ${tensor.dtype} of shape ${show(tensor.shape)}`);
  }
}

function binary(
  op: string,
  left: Operand,
  right: Operand,
  rule: (a: Tensor, b: Tensor, y: () => Tensor, d: Tensor) => [Tensor, Tensor],
): Tensor {
  const [a, b] = [lift(left), lift(right)];
  const operation = op.toLowerCase();
  expect(operation, "float32", a, b);
  const y: Tensor = apply(op, [a, b], { dtype: "float32", shape: broadcast(operation, a.shape, b.shape) }, ([d]) => {
    const [da, db] = rule(a, b, () => y, d!);
    return [unbroadcast(da, a.shape), unbroadcast(db, b.shape)];
  });
  return y;
}

export const add = (a: Operand, b: Operand): Tensor => binary("Add", a, b, (_a, _b, _y, d) => [d, d]);
export const sub = (a: Operand, b: Operand): Tensor => binary("Sub", a, b, (_a, _b, _y, d) => [d, neg(d)]);
export const mul = (a: Operand, b: Operand): Tensor => binary("Mul", a, b, (x, y, _z, d) => [mul(d, y), mul(d, x)]);
export const div = (a: Operand, b: Operand): Tensor =>
  binary("Div", a, b, (_x, y, z, d) => {
    const da = div(d, y);
    return [da, neg(mul(da, z()))];
  });

function unary(op: string, x: Tensor, rule: (x: Tensor, y: Tensor, d: Tensor) => Tensor): Tensor {
  expect(op.toLowerCase(), "float32", x);
  const y: Tensor = apply(op, [x], { dtype: "float32", shape: x.shape }, ([d]) => [rule(x, y, d!)]);
  return y;
}

export const neg = (x: Tensor): Tensor => unary("Neg", x, (_x, _y, d) => neg(d));
export const exp = (x: Tensor): Tensor => unary("Exp", x, (_x, y, d) => mul(d, y));
export const log = (x: Tensor): Tensor => unary("Log", x, (a, _y, d) => div(d, a));
export const sqrt = (x: Tensor): Tensor => unary("Sqrt", x, (_x, y, d) => div(mul(d, 0.5), y));
export const sin = (x: Tensor): Tensor => unary("Sin", x, (a, _y, d) => mul(d, cos(a)));
export const cos = (x: Tensor): Tensor => unary("Cos", x, (a, _y, d) => neg(mul(d, sin(a))));
export const tanh = (x: Tensor): Tensor => unary("Tanh", x, (_x, y, d) => mul(d, sub(1, mul(y, y))));
export const sigmoid = (x: Tensor): Tensor => unary("Sigmoid", x, (_x, y, d) => mul(d, mul(y, sub(1, y))));
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));

/** `condition ? a : b`, elementwise; the condition is boolean. */
export function where(condition: Tensor, left: Operand, right: Operand): Tensor {
  const [a, b] = [lift(left), lift(right)];
  expect("where", "bool", condition);
  expect("where", "float32", a, b);
  const shape = broadcast("where", condition.shape, broadcast("where", a.shape, b.shape));
  return apply("Where", [condition, a, b], { dtype: "float32", shape }, ([d]) => [
    undefined,
    unbroadcast(where(condition, d!, 0), a.shape),
    unbroadcast(where(condition, 0, d!), b.shape),
  ]);
}
