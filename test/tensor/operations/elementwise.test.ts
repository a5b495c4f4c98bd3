/** Elementwise operations: values and gradients, with every kind of broadcasting. */
import fc from "fast-check";
import { describe, test } from "vitest";
import * as ops from "../../../src/tensor/index.ts";
import { broadcasting, type Case, devices, flags, holds, seeds, shapes, show } from "../check.ts";
import { at, broadcastShape, make, map, uniform, zip, type Nd } from "../reference.ts";

const logistic = (x: number): number => 1 / (1 + Math.exp(-x));

/** Away from zero on both sides, for denominators. */
const awayFromZero = (shape: readonly number[], seed: number): Nd =>
  map(uniform(shape, seed, -1, 1), (x) => Math.fround(x < 0 ? x - 0.5 : x + 0.5));

const unary: [
  name: "neg" | "exp" | "log" | "sqrt" | "sin" | "cos" | "tanh" | "sigmoid" | "silu",
  f: (x: number) => number,
  low: number,
  high: number,
][] = [
  ["neg", (x) => -x, -2, 2],
  ["exp", Math.exp, -2, 2],
  ["log", Math.log, 0.4, 3],
  ["sqrt", Math.sqrt, 0.4, 3],
  ["sin", Math.sin, -4, 4],
  ["cos", Math.cos, -4, 4],
  ["tanh", Math.tanh, -2, 2],
  ["sigmoid", logistic, -4, 4],
  ["silu", (x) => x * logistic(x), -4, 4],
];

const binary: [name: "add" | "sub" | "mul" | "div", f: (a: number, b: number) => number][] = [
  ["add", (a, b) => a + b],
  ["sub", (a, b) => a - b],
  ["mul", (a, b) => a * b],
  ["div", (a, b) => a / b],
];

describe.each(devices)("on %s", (device) => {
  test.each(unary)("%s", (name, f, low, high) =>
    holds(
      device,
      fc.tuple(shapes(0, 3), seeds).map(([shape, seed]): Case => ({
        label: `${name} of ${show(shape)}`,
        inputs: { x: uniform(shape, seed, low, high) },
        traced: ({ x }) => ops[name](x!),
        reference: ({ x }) => map(x!, f),
      })),
    ),
  );

  test.each(binary)("%s of two tensors", (name, f) =>
    holds(
      device,
      fc.tuple(broadcasting(2), seeds).map(([[a, b], seed]): Case => ({
        label: `${name} of ${show(a!, b!)}`,
        inputs: { a: uniform(a!, seed), b: awayFromZero(b!, seed + 1) },
        traced: (x) => ops[name](x["a"]!, x["b"]!),
        reference: (x) => zip(x["a"]!, x["b"]!, f),
      })),
    ),
  );

  test.each(binary)("%s with a number on either side, and of a tensor with itself", (name, f) =>
    holds(
      device,
      fc.tuple(shapes(0, 3), seeds).map(([shape, seed]): Case => ({
        label: `${name} of ${show(shape)} and a number`,
        inputs: { x: awayFromZero(shape, seed) },
        traced: ({ x }) => [ops[name](x!, 0.75), ops[name](-1.25, x!), ops[name](x!, x!)],
        reference: ({ x }) => [map(x!, (v) => f(v, 0.75)), map(x!, (v) => f(-1.25, v)), map(x!, (v) => f(v, v))],
      })),
    ),
  );

  test("where", () =>
    holds(
      device,
      fc.tuple(broadcasting(3), seeds).map(([[c, a, b], seed]): Case => {
        const condition = flags(c!, seed + 2);
        const chosen: Nd = { shape: c!, data: Float64Array.from(condition.data) };
        return {
          label: `where of ${show(c!, a!, b!)}`,
          inputs: { a: uniform(a!, seed), b: uniform(b!, seed + 1) },
          fixed: { condition },
          traced: (x) => [ops.where(x["condition"]!, x["a"]!, x["b"]!), ops.where(x["condition"]!, x["a"]!, 0.5)],
          reference: (x) => [
            make(broadcastShape(c!, a!, b!), (i) => (at(chosen, i) ? at(x["a"]!, i) : at(x["b"]!, i))),
            make(broadcastShape(c!, a!), (i) => (at(chosen, i) ? at(x["a"]!, i) : 0.5)),
          ],
        };
      }),
    ));
});
