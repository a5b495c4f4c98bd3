/** Simplification keeps what a program computes, bit for bit, and leaves each value once. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as ops from "../../src/tensor/index.ts";
import { constant, scalar, simplify, trace, zeros, ones, type Program, type Tensor } from "../../src/tensor/index.ts";
import { topologicalOrder, withGradient, type Node } from "../../src/tensor/program.ts";
import { make, map, uniform, zip, type Nd } from "./reference.ts";

const nodesOf = (program: Program): Node[] => topologicalOrder(Object.values(program.outputs));
const count = (program: Program, op: string): number => nodesOf(program).filter((node) => node.op === op).length;
const x = { x: { dtype: "float32", shape: [2, 3] } } as const;

/** Runs a program of a few elementwise operations in JavaScript, each result rounded to float32 as the runtime would. */
function interpret(program: Program, feeds: Record<string, Nd>): Record<string, Nd> {
  const values = new Map<Node, Nd>();
  const binary: Record<string, (a: number, b: number) => number> = {
    Add: (a, b) => a + b,
    Sub: (a, b) => a - b,
    Mul: (a, b) => a * b,
    Div: (a, b) => a / b,
  };
  const evaluate = (node: Node): Nd => {
    const [a, b] = node.inputs.map((input) => values.get(input.node)!);
    if (node.op in binary) return map(zip(a!, b!, binary[node.op]!), Math.fround);
    if (node.op === "Input") return feeds[node.name!]!;
    if (node.op === "Constant") return { shape: node.outputs[0]!.shape, data: Float64Array.from(node.data as Float32Array) };
    if (node.op === "Alias") return a!;
    if (node.op === "Neg") return map(a!, (v) => -v);
    if (node.op === "Tanh") return map(a!, (v) => Math.fround(Math.tanh(v)));
    throw new Error(`no rule for ${node.op}`);
  };
  for (const node of nodesOf(program)) values.set(node, evaluate(node));
  return Object.fromEntries(Object.entries(program.outputs).map(([name, tensor]) => [name, values.get(tensor.node)!]));
}

/** A random expression graph: each step combines two earlier values, so that values are shared and repeated. */
type Step = [operation: number, left: number, right: number];
function build(steps: readonly Step[]): Program {
  return trace({ ...x, y: { dtype: "float32", shape: [3] } }, (inputs) => {
    const values: Tensor[] = [inputs.x, inputs.y];
    const constants = (k: number): Tensor =>
      [
        () => scalar(0),
        () => scalar(1),
        () => scalar(0.1),
        () => zeros([3]),
        () => ones([2, 3]),
        () => constant(Float32Array.of(1, 2, 3), [3]),
        () => ones([1, 1, 1]),
      ][k % 7]!();
    for (const [operation, left, right] of steps) {
      const a = values[left % values.length]!;
      const b = values[right % values.length]!;
      const c = constants(right);
      values.push(
        [
          () => ops.add(a, b),
          () => ops.sub(a, b),
          () => ops.mul(a, b),
          () => ops.neg(a),
          () => ops.tanh(a),
          () => c,
          () => ops.add(a, c),
          () => ops.add(c, a),
          () => ops.mul(a, c),
          () => ops.mul(c, a),
          () => ops.sub(a, c),
          () => ops.sub(c, a),
          // By no value that was computed: 1/0 and 1/−0 differ, and x + 0 is written as x.
          () => ops.div(a, [scalar(1), scalar(0.3), ones([3])][right % 3]!),
          () => ops.div(scalar(right + 1), scalar(3)),
          () => withGradient(a, [b], (d) => [d]),
        ][operation % 15]!(),
      );
    }
    return Object.fromEntries(values.slice(-3).map((value, i) => [`out${i}`, value]));
  });
}

test("a program and its simplified form compute the same", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(14), fc.nat(40), fc.nat(40)), { minLength: 1, maxLength: 25, size: "max" }),
      fc.nat(1e6),
      (steps, seed) => {
        const program = build(steps);
        const simple = simplify(program);
        const feeds = { x: uniform([2, 3], seed), y: uniform([3], seed + 1) };
        const [before, after] = [interpret(program, feeds), interpret(simple, feeds)];
        for (const name of Object.keys(before)) {
          expect(after[name]!.shape).toEqual(before[name]!.shape);
          expect(simple.outputs[name]!.shape).toEqual(before[name]!.shape);
          // 0 and −0 count as equal: x + 0 is written as x.
          const plain = (value: number): number => (value === 0 ? 0 : value);
          expect(after[name]!.data.map(plain)).toEqual(before[name]!.data.map(plain));
        }
        expect(nodesOf(simple).length).toBeLessThanOrEqual(nodesOf(program).length);
        expect(count(simple, "Alias")).toBe(0);
        // A second pass finds nothing.
        expect(nodesOf(simplify(simple)).length).toBe(nodesOf(simple).length);
      },
    ),
    { numRuns: 300 },
  );
});

describe("equal values become one", () => {
  test("the same operations traced twice", () => {
    const program = trace(x, (t) => ({ y: ops.add(ops.exp(ops.mul(t.x, 2)), ops.exp(ops.mul(t.x, 2))) }));
    expect(nodesOf(program)).toHaveLength(8); // x, 2, ·, exp, 2, ·, exp, +
    expect(nodesOf(simplify(program)).map((node) => node.op)).toEqual(["Input", "Constant", "Mul", "Exp", "Add"]);
  });

  test("operations with several outputs", () => {
    const program = trace(x, (t) => ({ y: ops.mul(ops.split(t.x, 1, [1, 2])[0]!, ops.split(t.x, 1, [1, 2])[1]!) }));
    const simple = simplify(program);
    expect(count(simple, "Split")).toBe(1);
    expect(simple.outputs["y"]!.node.inputs.map((input) => input.index)).toEqual([0, 1]);
  });

  test("not where an attribute, an axis or a size differs", () => {
    const program = trace({ x: { dtype: "float32", shape: [2, 2, 2] } }, (t) => ({
      a: ops.transpose(t.x, [0, 2, 1]),
      b: ops.transpose(t.x, [1, 0, 2]),
      c: ops.reduceSum(t.x, [0]),
      d: ops.reduceSum(t.x, [1]),
      e: ops.matmul(t.x, t.x, { scale: 0.5 }),
      f: ops.matmul(t.x, t.x, { scale: 0.25 }),
      g: ops.matmul(t.x, t.x, { transposeA: true }),
    }));
    expect(nodesOf(simplify(program)).length).toBe(nodesOf(program).length);
  });

  const constantsLeft = (...tensors: Tensor[]): number =>
    count(simplify({ inputs: {}, outputs: Object.fromEntries(tensors.map((tensor, i) => [String(i), tensor])) }), "Constant");

  test.each([
    ["small", 4],
    ["large (compared by their hash)", 6000],
  ])("%s constants: of one type, shape and content, and no others", (_, n) => {
    const floats = Float32Array.from({ length: n }, (_, i) => i + 1);
    const asIntegers = new Int32Array(floats.buffer.slice(0));
    const asBytes = Uint8Array.from({ length: n }, (_, i) => (i + 1) % 2);
    const same = (): Tensor => constant(floats.slice(), [n]);
    expect(constantsLeft(same(), same(), same())).toBe(1);
    expect(constantsLeft(same(), constant(floats, [1, n]), constant(floats, [n / 2, 2]))).toBe(3);
    // The same bytes, and the same numbers, of another type.
    expect(constantsLeft(same(), constant(asIntegers, [n]))).toBe(2);
    expect(constantsLeft(same(), constant(Int32Array.from(floats), [n]))).toBe(2);
    expect(constantsLeft(constant(asBytes, [n]), constant(Int32Array.from(asBytes), [n]), constant(Float32Array.from(asBytes), [n]))).toBe(
      3,
    );
    for (const at of [0, n >> 1, n - 1]) {
      const other = floats.slice();
      other[at]! += 1;
      expect(constantsLeft(same(), constant(other, [n]))).toBe(2);
    }
  });
});

describe("constants are folded", () => {
  test("arithmetic of two numbers is rounded as float32 does it", () => {
    const third = ops.div(scalar(1), scalar(3));
    const { outputs } = simplify({ inputs: {}, outputs: { y: ops.sub(ops.mul(third, 2), ops.add(third, 0.1)) } });
    const t = Math.fround(1 / 3);
    expect([...(outputs["y"]!.node.data as Float32Array)]).toEqual([Math.fround(Math.fround(t * 2) - Math.fround(t + Math.fround(0.1)))]);
  });

  test("x·1, x/1, x+0, x−0 are x; what changes the shape stays", () => {
    const program = trace(x, (t) => ({
      y: ops.sub(ops.add(0, ops.div(ops.mul(ones([2, 3]), ops.mul(t.x, 1)), ones([3]))), zeros([1])),
      larger: ops.add(t.x, zeros([4, 2, 3])),
      opposite: ops.sub(0, t.x),
      inverse: ops.div(1, t.x),
    }));
    const { outputs } = simplify(program);
    expect(outputs["y"]!.node.op).toBe("Input");
    expect(outputs["larger"]!.node.op).toBe("Add");
    expect(outputs["opposite"]!.node.op).toBe("Sub");
    expect(outputs["inverse"]!.node.op).toBe("Div");
  });

  test("of the interpreter above: it agrees with plain arithmetic", () => {
    const feeds = { x: uniform([2, 3], 1) };
    const { y } = interpret(
      trace(x, (t) => ({ y: ops.tanh(ops.sub(ops.mul(t.x, t.x), 0.5)) })),
      feeds,
    );
    expect(y!.data).toEqual(
      make([2, 3], (i) => Math.fround(Math.tanh(Math.fround(Math.fround(feeds.x.data[i[0]! * 3 + i[1]!]! ** 2) - 0.5)))).data,
    );
  });
});
