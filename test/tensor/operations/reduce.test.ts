/** Reductions: values and gradients. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { logSumExp, reduceSum, sum } from "../../../src/tensor/index.ts";
import { type Case, devices, holds, seeds, shapes, show } from "../check.ts";
import * as truth from "../reference.ts";

describe.each(devices)("on %s", (device) => {
  test("reduceSum over any axes, and sum", () =>
    holds(
      device,
      shapes(0, 4).chain((shape) =>
        fc.tuple(fc.subarray(shape.map((_, i) => i)), seeds).map(([axes, seed]): Case => {
          const all = shape.map((_, i) => i);
          return {
            label: `reduceSum of ${show(shape)} over ${show(axes)}`,
            inputs: { x: truth.uniform(shape, seed) },
            traced: ({ x }) => [reduceSum(x!, axes), reduceSum(x!), sum(x!)],
            reference: ({ x }) => [truth.reduceSum(x!, axes), truth.reduceSum(x!, all), { shape: [], data: truth.reduceSum(x!, all).data }],
          };
        }),
      ),
    ));

  test("logSumExp", () =>
    holds(
      device,
      fc.tuple(shapes(1, 3), seeds).map(([shape, seed]): Case => ({
        label: `logSumExp of ${show(shape)}`,
        inputs: { x: truth.uniform(shape, seed, -5, 5) },
        traced: ({ x }) => logSumExp(x!),
        reference: ({ x }) => truth.logSumExp(x!),
      })),
    ));

  test("logSumExp of values whose exponentials overflow", () =>
    holds(
      device,
      fc.tuple(shapes(1, 2), seeds).map(([shape, seed]): Case => {
        // e^95 overflows a float32. A float32 near 100 is within 4e-6, and so is the logarithm of the gradient e^(x − y).
        return {
          label: `logSumExp of ${show(shape)} + 100`,
          inputs: { x: truth.map(truth.uniform(shape, seed, -5, 5), (x) => Math.fround(x + 100)) },
          traced: ({ x }) => logSumExp(x!),
          reference: ({ x }) => truth.logSumExp(x!),
        };
      }),
    ));
});
