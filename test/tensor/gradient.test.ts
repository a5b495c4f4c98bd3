/** Reverse-mode differentiation itself; the rule of each operation is tested beside the operation. */
import { describe, expect, test } from "vitest";
import {
  add,
  broadcastTo,
  compile,
  equals,
  exp,
  gradient,
  mul,
  reduceSum,
  scalar,
  split,
  sum,
  trace,
  TraceError,
  where,
  zeros,
  type Program,
} from "../../src/tensor/index.ts";
import { apply, constant, withGradient } from "../../src/tensor/program.ts";
import { devices, type Case, verify } from "./check.ts";
import { map, uniform, zip } from "./reference.ts";

const x3 = { x: { dtype: "float32", shape: [3] } } as const;
const run = async (program: Program, feeds: Record<string, Float32Array>): Promise<Record<string, number[]>> => {
  const executable = await compile(program);
  const results = await executable.run(feeds);
  await executable.dispose();
  return Object.fromEntries(Object.entries(results).map(([name, data]) => [name, Array.from(data, Number)]));
};

describe("what cannot be differentiated is an error", () => {
  test("a loss of several numbers", () => {
    trace(x3, ({ x }) => {
      expect(() => gradient(exp(x), [x])).toThrow(new TraceError("gradient: the loss must be one float32 number, got float32 [3]"));
      return {};
    });
  });

  test("a loss that is no float32", () => {
    const flag = equals(constant(Int32Array.of(1), []), 1);
    expect(() => gradient(flag, [])).toThrow(new TraceError("gradient: the loss must be one float32 number, got bool []"));
  });

  test("an operation without a rule between the loss and a parameter", () => {
    trace(x3, ({ x }) => {
      const rounded = apply("Round", [x], { dtype: "float32", shape: x.shape });
      expect(() => gradient(sum(rounded), [x])).toThrow(new TraceError("gradient: Round is not differentiable; its output is [3]"));
      // Where no parameter lies behind it, it is a number like any other.
      expect(gradient(sum(mul(rounded, scalar(2))), [zeros([2])]).map((d) => [...d.shape])).toEqual([[2]]);
      return {};
    });
  });
});

test("a loss of one number in any shape is a loss", async () => {
  const program = trace({ x: { dtype: "float32", shape: [1, 1] } }, ({ x }) => ({ d: gradient(mul(x, x), [x])[0]! }));
  expect(await run(program, { x: Float32Array.of(3) })).toEqual({ d: [6] });
});

test("a parameter that the loss does not read has a gradient of zeros of its shape", async () => {
  const program = trace({ ...x3, unread: { dtype: "float32", shape: [2, 2] } }, ({ x, unread }) => {
    const [dx, du] = gradient(sum(mul(x, x)), [x, unread]);
    return { dx: dx!, du: du! };
  });
  expect(await run(program, { x: Float32Array.of(1, 2, 3), unread: new Float32Array(4) })).toEqual({ dx: [2, 4, 6], du: [0, 0, 0, 0] });
});

test("a parameter may be a value inside the program, or one output of several", async () => {
  const program = trace({ x: { dtype: "float32", shape: [4] } }, ({ x }) => {
    const square = mul(x, x);
    const [, right] = split(x, 0, [1, 3]);
    const [dSquare] = gradient(sum(mul(square, square)), [square]);
    const [dRight] = gradient(sum(exp(mul(right!, 0))), [right!]);
    return { dSquare: dSquare!, dRight: dRight! };
  });
  expect(await run(program, { x: Float32Array.of(1, 2, 3, 4) })).toEqual({ dSquare: [2, 8, 18, 32], dRight: [0, 0, 0] });
});

test("the same parameter asked for twice has the same gradient twice", async () => {
  const program = trace(x3, ({ x }) => {
    const [a, b] = gradient(sum(mul(x, x)), [x, x]);
    return { a: a!, b: b! };
  });
  expect(await run(program, { x: Float32Array.of(1, 2, 3) })).toEqual({ a: [2, 4, 6], b: [2, 4, 6] });
});

describe.each(devices)("on %s", (device) => {
  test("a value used several times, over several depths", () => {
    const used: Case = {
      label: "x used many times",
      inputs: { x: uniform([2, 3], 1) },
      traced: ({ x }) => {
        const y = exp(x!);
        const z = add(mul(y, x!), y);
        return [mul(z, mul(x!, z)), add(z, reduceSum(y, [1]))];
      },
      reference: ({ x }) => {
        const y = map(x!, Math.exp);
        const z = zip(
          zip(y, x!, (a, b) => a * b),
          y,
          (a, b) => a + b,
        );
        const rows = [0, 3].map((start) => y.data.slice(start, start + 3).reduce((a, b) => a + b));
        return [
          zip(
            zip(z, z, (a, b) => a * b),
            x!,
            (a, b) => a * b,
          ),
          { shape: [2, 3], data: z.data.map((value, i) => value + rows[Math.floor(i / 3)]!) },
        ];
      },
    };
    return verify([used], device);
  });

  test("the gradient does not pass through a value that a condition has not chosen", async () => {
    const program = trace({ ...x3, choose: { dtype: "bool", shape: [3] } }, ({ x, choose }) => ({
      d: gradient(sum(where(choose, exp(x), 0)), [x])[0]!,
    }));
    const executable = await compile(program, { device });
    const { d } = await executable.run({ x: Float32Array.of(0, 0, 0), choose: Uint8Array.of(1, 0, 1) });
    expect([...d!].map(Number)).toEqual([1, 0, 1]);
    await executable.dispose();
  });
});

describe("withGradient", () => {
  test("takes the value from the operations and the gradient from the rule, and adds to other uses", async () => {
    const program = trace(x3, ({ x }) => {
      // Straight through: worth e^x, with the gradient of 5x; x is used beside it, too.
      const y = withGradient(exp(x), [x], (d) => [mul(d, 5)]);
      return { y, d: gradient(sum(add(y, mul(x, x))), [x])[0]! };
    });
    expect(await run(program, { x: Float32Array.of(0, 0, 1) })).toEqual({ y: [1, 1, Math.fround(Math.E)], d: [5, 5, 7] });
  });

  test("of several inputs", async () => {
    const program = trace({ ...x3, s: { dtype: "float32", shape: [] } }, ({ x, s }) => {
      const y = withGradient(mul(x, s), [s, x], (d) => [sum(d), broadcastTo(scalar(-1), [3])]);
      const [dx, ds] = gradient(sum(y), [x, s]);
      return { dx: dx!, ds: ds! };
    });
    expect(await run(program, { x: Float32Array.of(1, 2, 3), s: Float32Array.of(2) })).toEqual({ dx: [-1, -1, -1], ds: [3] });
  });
});
