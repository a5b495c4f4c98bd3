/** Matrix products: values and gradients, with every transposition. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { gemm, linear, matmul } from "../../../src/tensor/index.ts";
import { broadcasting, type Case, devices, extents, holds, seeds, show } from "../check.ts";
import { matmul as product, uniform, zip, type Nd } from "../reference.ts";

const plus = (a: Nd, b: Nd): Nd => zip(a, b, (x, y) => x + y);
const flips = [
  { transposeA: false, transposeB: false },
  { transposeA: true, transposeB: false },
  { transposeA: false, transposeB: true },
  { transposeA: true, transposeB: true },
];
const turn = (shape: number[], yes: boolean): number[] => (yes ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape);

describe.each(devices)("on %s", (device) => {
  test.each(flips)("gemm %o, with and without bias", (flip) =>
    holds(
      device,
      fc.tuple(extents, extents, extents, seeds, fc.boolean()).map(([m, k, n, seed, biased]): Case => {
        const [a, b] = [turn([m, k], flip.transposeA), turn([k, n], flip.transposeB)];
        return {
          label: `gemm of ${show(a, b)}${biased ? " with bias" : ""}`,
          inputs: { a: uniform(a, seed), b: uniform(b, seed + 1), ...(biased ? { bias: uniform([n], seed + 2) } : {}) },
          traced: (x) => gemm(x["a"]!, x["b"]!, { ...flip, ...(biased ? { bias: x["bias"]! } : {}) }),
          reference: (x) => {
            const y = product(x["a"]!, x["b"]!, flip);
            return biased ? plus(y, x["bias"]!) : y;
          },
        };
      }),
    ),
  );

  test.each(flips)("gemm %o, scaled, with a bias of rows or of the whole", (flip) =>
    holds(
      device,
      fc.tuple(extents, extents, extents, seeds, fc.boolean()).map(([m, k, n, seed, rows]): Case => {
        const [a, b] = [turn([m, k], flip.transposeA), turn([k, n], flip.transposeB)];
        const bias = rows ? [n] : [m, n];
        return {
          label: `gemm of ${show(a, b)} with bias ${show(bias)}`,
          inputs: { a: uniform(a, seed), b: uniform(b, seed + 1), bias: uniform(bias, seed + 2) },
          traced: (x) => gemm(x["a"]!, x["b"]!, { ...flip, bias: x["bias"]!, scale: 0.5 }),
          reference: (x) => zip(product(x["a"]!, x["b"]!, flip), x["bias"]!, (y, c) => 0.5 * y + c),
        };
      }),
    ),
  );

  test("gemm of a matrix with itself", () =>
    holds(
      device,
      fc.tuple(extents, fc.constantFrom(...flips), seeds).map(([n, flip, seed]): Case => ({
        label: `gemm of ${show([n, n])} with itself`,
        inputs: { a: uniform([n, n], seed) },
        traced: ({ a }) => gemm(a!, a!, flip),
        reference: ({ a }) => product(a!, a!, flip),
      })),
    ));

  test("linear", () =>
    holds(
      device,
      fc.tuple(extents, extents, extents, seeds, fc.boolean()).map(([n, from, to, seed, biased]): Case => ({
        label: `linear of ${show([n, from], [to, from])}`,
        inputs: {
          x: uniform([n, from], seed),
          weight: uniform([to, from], seed + 1),
          ...(biased ? { bias: uniform([to], seed + 2) } : {}),
        },
        traced: ({ x, weight, bias }) => (bias ? linear(x!, weight!, bias) : linear(x!, weight!)),
        reference: ({ x, weight, bias }) => {
          const y = product(x!, weight!, { transposeB: true });
          return bias ? plus(y, bias) : y;
        },
      })),
    ));

  test.each(flips)("matmul %o, scaled or not, with batch axes that broadcast", (flip) =>
    holds(
      device,
      fc
        .tuple(extents, extents, extents, broadcasting(2), seeds, fc.constantFrom(1, 0.5, -2))
        .map(([m, k, n, [leadA, leadB], seed, scale]): Case => {
          const [a, b] = [turn([...leadA!, m, k], flip.transposeA), turn([...leadB!, k, n], flip.transposeB)];
          return {
            label: `matmul of ${show(a, b)} times ${scale}`,
            inputs: { a: uniform(a, seed), b: uniform(b, seed + 1) },
            traced: (x) => matmul(x["a"]!, x["b"]!, { ...flip, scale }),
            reference: (x) => product(x["a"]!, x["b"]!, { ...flip, scale }),
          };
        }),
    ),
  );
});
