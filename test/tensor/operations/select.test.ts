/** Look-ups by integer indices: values and gradients, with repeated indices, and where the looked-up value is used in other ways too. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { add, exp, gather, logSumExp, matmul, mul, pick, replaceAt, selectRows, transpose } from "../../../src/tensor/index.ts";
import { type Case, devices, extents, holds, indices, seeds, shapes, show } from "../check.ts";
import { logSumExp as logTotal, make, map, matmul as product, sizeOf, transpose as turned, uniform, zip, type Nd } from "../reference.ts";

const plus = (a: Nd, b: Nd): Nd => zip(a, b, (x, y) => x + y);
const looked = (table: Nd, { shape, data }: { shape: readonly number[]; data: Int32Array }): Nd => {
  const width = table.shape[1]!;
  return {
    shape: [...shape, width],
    data: Float64Array.from({ length: sizeOf(shape) * width }, (_, i) => table.data[data[Math.floor(i / width)]! * width + (i % width)]!),
  };
};

describe.each(devices)("on %s", (device) => {
  const tables = fc.tuple(extents, extents, shapes(0, 3), seeds);

  test("gather: many look-ups of few rows", () =>
    holds(
      device,
      tables.map(([rows, width, shape, seed]): Case => {
        const index = indices(shape, rows, seed);
        return {
          label: `gather of ${show([rows, width], shape)}`,
          inputs: { table: uniform([rows, width], seed) },
          fixed: { index },
          traced: ({ table, index: i }) => gather(table!, i!),
          reference: ({ table }) => looked(table!, index),
        };
      }),
    ));

  test("gather of a table that is looked up several times", () =>
    holds(
      device,
      fc.tuple(tables, fc.integer({ min: 2, max: 4 })).map(([[rows, width, shape, seed], times]): Case => {
        const fixed = Object.fromEntries(Array.from({ length: times }, (_, i) => [`index${i}`, indices(shape, rows, seed + i)]));
        return {
          label: `${times} × gather of ${show([rows, width], shape)}`,
          inputs: { table: uniform([rows, width], seed) },
          fixed,
          traced: (x) => Object.keys(fixed).map((name) => gather(x["table"]!, x[name]!)),
          reference: ({ table }) => Object.values(fixed).map((index) => looked(table!, index)),
        };
      }),
    ));

  test("gather of a table tied to another use (a tied head), and of a computed table", () =>
    holds(
      device,
      fc.tuple(extents, extents, extents, seeds).map(([rows, width, n, seed]): Case => {
        const index = indices([n], rows, seed);
        return {
          label: `tied gather of ${show([rows, width], [n])}`,
          inputs: { table: uniform([rows, width], seed) },
          fixed: { index },
          traced: ({ table, index: i }) => [
            matmul(gather(table!, i!), transpose(table!, [1, 0])),
            gather(exp(table!), i!),
            gather(add(table!, table!), i!),
          ],
          reference: ({ table }) => [
            product(looked(table!, index), turned(table!, [1, 0])),
            looked(map(table!, Math.exp), index),
            looked(plus(table!, table!), index),
          ],
        };
      }),
    ));

  test("selectRows: a subset of the rows, padded with repeats that the loss does not read", () =>
    holds(
      device,
      fc.tuple(extents, extents, fc.nat(3), seeds).chain(([n, width, padding, seed]) =>
        fc.shuffledSubarray([...Array(n).keys()], { minLength: 1 }).map((chosen): Case => {
          const m = chosen.length + padding;
          const rows = Int32Array.from({ length: m }, (_, i) => chosen[i] ?? 0);
          const inverse = Int32Array.from({ length: n }, (_, row) => (chosen.includes(row) ? chosen.indexOf(row) : m));
          const read = make([m, 1], ([i]) => Number(i! < chosen.length));
          return {
            label: `selectRows of ${show([n, width], [m])}`,
            inputs: { x: uniform([n, width], seed) },
            fixed: {
              rows: { dtype: "int32", shape: [m], data: rows },
              inverse: { dtype: "int32", shape: [n], data: inverse },
              read: { dtype: "float32", shape: [m, 1], data: Float32Array.from(read.data) },
            },
            traced: (x) => mul(selectRows(x["x"]!, x["rows"]!, x["inverse"]!), x["read"]!),
            reference: ({ x }) => zip(looked(x!, { shape: [m], data: rows }), read, (a, b) => a * b),
          };
        }),
      ),
    ));

  const picked = (x: Nd, index: Int32Array): Nd => make([x.shape[0]!, 1], ([i]) => x.data[i! * x.shape[1]! + index[i!]!]!);

  test("pick", () =>
    holds(
      device,
      fc.tuple(extents, extents, seeds).map(([n, states, seed]): Case => {
        const index = indices([n], states, seed);
        return {
          label: `pick of ${show([n, states])}`,
          inputs: { x: uniform([n, states], seed) },
          fixed: { index },
          traced: ({ x, index: i }) => pick(x!, i!),
          reference: ({ x }) => picked(x!, index.data),
        };
      }),
    ));

  test("replaceAt: one or two columns of each row, the same one twice included", () =>
    holds(
      device,
      fc
        .tuple(extents, extents, fc.integer({ min: 1, max: 2 }), seeds, fc.constantFrom(0, -2.5))
        .map(([n, states, k, seed, value]): Case => {
          const index = indices([n, k], states, seed);
          const replaced = (x: Nd): Nd =>
            make([n, states], ([i, j]) => (index.data.subarray(i! * k, (i! + 1) * k).includes(j!) ? value : x.data[i! * states + j!]!));
          return {
            label: `replaceAt of ${show([n, states], [n, k])}`,
            inputs: { x: uniform([n, states], seed) },
            fixed: { index },
            traced: ({ x, index: i }) => [replaceAt(x!, i!, value), exp(replaceAt(x!, i!, value))],
            reference: ({ x }) => [replaced(x!), map(replaced(x!), Math.exp)],
          };
        }),
    ));

  test("pick, several times and beside other uses of the same values", () =>
    holds(
      device,
      fc.tuple(extents, extents, seeds).map(([n, states, seed]): Case => {
        const [first, second] = [indices([n], states, seed), indices([n], states, seed + 1)];
        return {
          label: `picks of ${show([n, states])} beside logSumExp`,
          inputs: { x: uniform([n, states], seed), y: uniform([n, states], seed + 2) },
          fixed: { first, second },
          // The sum hands its own adjoint, in which picks have been scattered, on to x and to y.
          traced: ({ x, y, first: i, second: j }) => {
            const z = add(x!, y!);
            return [pick(z, i!), pick(z, j!), logSumExp(z), pick(x!, j!), mul(x!, x!)];
          },
          reference: ({ x, y }) => {
            const z = plus(x!, y!);
            return [picked(z, first.data), picked(z, second.data), logTotal(z), picked(x!, second.data), map(x!, (v) => v * v)];
          },
        };
      }),
    ));
});
