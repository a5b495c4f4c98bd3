/** Operations that only move or repeat values: values and gradients. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { broadcastTo, concat, mul, reshape, split, transpose } from "../../../src/tensor/index.ts";
import { type Case, devices, extents, holds, seeds, shapes, show } from "../check.ts";
import { at, make, type Nd, sizeOf, transpose as turned, uniform, zip } from "../reference.ts";

const times = (a: Nd, b: Nd): Nd => zip(a, b, (x, y) => x * y);

/** The part of x along `axis` from `from` on. */
const part = (x: Nd, axis: number, from: number, size: number): Nd =>
  make(
    x.shape.map((extent, i) => (i === axis ? size : extent)),
    (index) =>
      at(
        x,
        index.map((value, i) => (i === axis ? value + from : value)),
      ),
  );

const joined = (parts: readonly Nd[], axis: number): Nd => {
  const places = parts.flatMap((x) => Array.from({ length: x.shape[axis]! }, (_, i) => [x, i] as const));
  return make(
    parts[0]!.shape.map((extent, i) => (i === axis ? places.length : extent)),
    (index) => {
      const [x, i] = places[index[axis]!]!;
      return at(
        x,
        index.map((value, k) => (k === axis ? i : value)),
      );
    },
  );
};

describe.each(devices)("on %s", (device) => {
  test("reshape", () =>
    holds(
      device,
      fc.tuple(shapes(0, 3), seeds).map(([shape, seed]): Case => {
        const to = seed % 2 ? [...shape].reverse() : [1, sizeOf(shape)];
        return {
          label: `reshape of ${show(shape, to)}`,
          inputs: { x: uniform(shape, seed) },
          traced: ({ x }) => reshape(mul(x!, x!), to),
          reference: ({ x }) => ({ shape: to, data: times(x!, x!).data }),
        };
      }),
    ));

  test("transpose to any order", () =>
    holds(
      device,
      shapes(1, 4).chain((shape) =>
        fc.tuple(fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }), seeds).map(([order, seed]): Case => ({
          label: `transpose of ${show(shape, order)}`,
          inputs: { x: uniform(shape, seed) },
          traced: ({ x }) => transpose(mul(x!, x!), order),
          reference: ({ x }) => turned(times(x!, x!), order),
        })),
      ),
    ));

  test("broadcastTo", () =>
    holds(
      device,
      fc
        .tuple(shapes(0, 4), fc.nat(4), fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), seeds)
        .map(([to, drop, single, seed]): Case => {
          const from = to.map((extent, i) => (single[i] ? 1 : extent)).slice(drop);
          return {
            label: `broadcastTo of ${show(from, to)}`,
            inputs: { x: uniform(from, seed) },
            traced: ({ x }) => broadcastTo(x!, to),
            reference: ({ x }) => make(to, (index) => at(x!, index)),
          };
        }),
    ));

  test("concat of one to three parts, one of them twice", () =>
    holds(
      device,
      fc.tuple(shapes(1, 3), fc.array(extents, { minLength: 1, maxLength: 3 }), fc.nat(2), seeds).map(([shape, sizes, k, seed]): Case => {
        const axis = k % shape.length;
        const names = sizes.map((_, i) => `x${i}`);
        const parts = sizes.map((size, i) =>
          uniform(
            shape.map((extent, j) => (j === axis ? size : extent)),
            seed + i,
          ),
        );
        const twice = <T>(x: Record<string, T>): T[] => [...names, names[0]!].map((name) => x[name]!);
        return {
          label: `concat of ${show(...parts.map((x) => x.shape))} along ${axis}`,
          inputs: Object.fromEntries(parts.map((x, i) => [names[i]!, x])),
          traced: (x) => concat(twice(x), axis),
          reference: (x) => joined(twice(x), axis),
        };
      }),
    ));

  test("split, with parts that the loss does not read", () =>
    holds(
      device,
      fc
        .tuple(shapes(1, 3), fc.array(extents, { minLength: 1, maxLength: 4 }), fc.nat(2), fc.nat(3), seeds)
        .map(([shape, sizes, k, unread, seed]): Case => {
          const axis = k % shape.length;
          const whole = shape.map((extent, i) => (i === axis ? sizes.reduce((a, b) => a + b) : extent));
          const read = sizes.length === 1 ? [0] : [...sizes.keys()].filter((i) => i !== unread % sizes.length);
          const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
          return {
            label: `split of ${show(whole)} along ${axis} into ${show(sizes)}`,
            inputs: { x: uniform(whole, seed) },
            traced: ({ x }) => {
              const parts = split(x!, axis, sizes);
              return read.map((i) => mul(parts[i]!, parts[i]!));
            },
            reference: ({ x }) =>
              read.map((i) => {
                const cut = part(x!, axis, starts[i]!, sizes[i]!);
                return times(cut, cut);
              }),
          };
        }),
    ));
});
