/** The larger operations of a transformer, whose gradients are written by hand: values and gradients. */
import fc from "fast-check";
import { describe, test } from "vitest";
import { attention, dropout, gelu, geluErf, layerNorm, mul, rotary, softmax } from "../../../src/tensor/index.ts";
import { type Case, devices, extents, flags, holds, indices, seeds, shapes, show } from "../check.ts";
import * as truth from "../reference.ts";
import { at, make, map, type Nd, uniform, zip } from "../reference.ts";

const geluOf = (x: number): number => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/** x·Φ(x), with Φ(x) = ½ + φ(x)·Σ x^(2n+1)/(2n+1)!!, whose terms all have one sign. */
function geluErfOf(x: number): number {
  let sum = 0;
  for (let n = 0, term = x; n < 200; n++, term *= (x * x) / (2 * n + 1)) sum += term;
  return x * (0.5 + (Math.exp(-(x * x) / 2) / Math.sqrt(2 * Math.PI)) * sum);
}

const normalized = (x: Nd, eps = 1e-5): Nd =>
  truth.overLast(x, x.shape.at(-1)!, (row) => {
    const mean = row.reduce((a, b) => a + b) / row.length;
    const variance = row.reduce((a, b) => a + (b - mean) ** 2, 0) / row.length;
    return row.map((value) => (value - mean) / Math.sqrt(variance + eps));
  });

const attended = (q: Nd, k: Nd, v: Nd, mask?: Nd): Nd => {
  const scores = truth.matmul(q, k, { transposeB: true, scale: 1 / Math.sqrt(q.shape.at(-1)!) });
  return truth.matmul(truth.softmax(mask ? zip(scores, mask, (a, b) => a + b) : scores), v);
};

/** x [batch, length, heads·d], by its definition: pair (i, i + d/2) of a head turns by position · 10000^(−2i/d). */
const turned = (x: Nd, heads: number): Nd => {
  const d = x.shape[2]! / heads;
  return make(x.shape, ([b, position, column]) => {
    const [head, i] = [Math.floor(column! / d), column! % (d / 2)];
    const angle = position! * 10000 ** ((-2 * i) / d);
    const [left, right] = [at(x, [b!, position!, head * d + i]), at(x, [b!, position!, head * d + i + d / 2])];
    return column! % d < d / 2 ? left * Math.cos(angle) - right * Math.sin(angle) : right * Math.cos(angle) + left * Math.sin(angle);
  });
};

/** Rows that vary by at least about 1, so that a layer norm divides by no small number. */
const spread = (shape: readonly number[], seed: number): Nd =>
  zip(
    uniform(shape, seed, -0.4, 0.4),
    make(shape, (index) => (index.at(-1)! % 2 ? 1 : -1)),
    (a, b) => Math.fround(a + b),
  );

describe.each(devices)("on %s", (device) => {
  test.each([
    ["gelu", gelu, geluOf],
    ["geluErf", geluErf, geluErfOf],
  ] as const)("%s", (name, traced, reference) =>
    holds(
      device,
      fc.tuple(shapes(0, 3), seeds).map(([shape, seed]): Case => ({
        label: `${name} of ${show(shape)}`,
        inputs: { x: uniform(shape, seed, -5, 5) },
        traced: ({ x }) => traced(x!),
        reference: ({ x }) => map(x!, reference),
      })),
    ),
  );

  test("softmax", () =>
    holds(
      device,
      fc.tuple(shapes(1, 4), seeds).map(([shape, seed]): Case => ({
        label: `softmax of ${show(shape)}`,
        inputs: { x: uniform(shape, seed, -4, 4) },
        traced: ({ x }) => softmax(x!),
        reference: ({ x }) => truth.softmax(x!),
      })),
    ));

  const norms = fc.tuple(extents, extents, fc.integer({ min: 2, max: 9 }), seeds);

  test("layerNorm with one gain for all rows", () =>
    holds(
      device,
      norms.map(([batch, length, width, seed]): Case => ({
        label: `layerNorm of ${show([batch, length, width])}`,
        inputs: { x: spread([batch, length, width], seed), gain: uniform([width], seed + 1, 0.5, 1.5) },
        traced: ({ x, gain }) => layerNorm(x!, gain!),
        reference: ({ x, gain }) => zip(normalized(x!), gain!, (a, b) => a * b),
      })),
    ));

  test("layerNorm with a gain and a shift for each sequence (adaLN)", () =>
    holds(
      device,
      norms.map(([batch, length, width, seed]): Case => ({
        label: `modulated layerNorm of ${show([batch, length, width])}`,
        inputs: {
          x: spread([batch, length, width], seed),
          gain: uniform([batch, 1, width], seed + 1),
          shift: uniform([batch, 1, width], seed + 2),
        },
        traced: ({ x, gain, shift }) => layerNorm(x!, gain!, shift!, 1e-3),
        reference: ({ x, gain, shift }) =>
          zip(
            zip(normalized(x!, 1e-3), gain!, (a, b) => a * b),
            shift!,
            (a, b) => a + b,
          ),
      })),
    ));

  const heads = fc.tuple(extents, extents, extents, extents, extents, extents, seeds);
  const attentionInputs = (batch: number, h: number, n: number, m: number, d: number, e: number, seed: number): Record<string, Nd> => ({
    q: uniform([batch, h, n, d], seed),
    k: uniform([batch, h, m, d], seed + 1),
    v: uniform([batch, h, m, e], seed + 2),
  });

  test("attention", () =>
    holds(
      device,
      heads.map(([batch, h, n, m, d, e, seed]): Case => ({
        label: `attention of ${show([batch, h, n, d], [batch, h, m, d], [batch, h, m, e])}`,
        inputs: attentionInputs(batch, h, n, m, d, e, seed),
        traced: ({ q, k, v }) => attention(q!, k!, v!),
        reference: ({ q, k, v }) => attended(q!, k!, v!),
      })),
    ));

  test("attention of values with themselves", () =>
    holds(
      device,
      heads.map(([batch, h, n, , d, , seed]): Case => ({
        label: `attention of ${show([batch, h, n, d])} with itself`,
        inputs: { x: uniform([batch, h, n, d], seed) },
        traced: ({ x }) => attention(x!, mul(x!, 0.5), x!),
        reference: ({ x }) =>
          attended(
            x!,
            map(x!, (v) => v * 0.5),
            x!,
          ),
      })),
    ));

  test("attention with hidden positions and with a bias on the scores", () =>
    holds(
      device,
      heads.map(([batch, h, n, m, d, e, seed]): Case => {
        // Position 0 stays visible: a row that sees nothing has no meaning.
        const hidden = map(
          make([batch, 1, 1, m], (index) => (index[3] === 0 ? 0 : indices([], 2, seed + 7 * index[0]! + index[3]!).data[0]!)),
          (yes) => (yes ? -1e9 : 0),
        );
        const bias = uniform([1, h, n, m], seed + 4);
        const float = ({ shape, data }: Nd) => ({ dtype: "float32", shape, data: Float32Array.from(data) }) as const;
        return {
          label: `masked attention of ${show([batch, h, n, d], [batch, h, m, d], [batch, h, m, e])}`,
          inputs: attentionInputs(batch, h, n, m, d, e, seed),
          fixed: { hidden: float(hidden), bias: float(bias) },
          traced: (x) => [attention(x["q"]!, x["k"]!, x["v"]!, x["hidden"]!), attention(x["q"]!, x["k"]!, x["v"]!, x["bias"]!)],
          reference: ({ q, k, v }) => [attended(q!, k!, v!, hidden), attended(q!, k!, v!, bias)],
        };
      }),
    ));

  test("rotary", () =>
    holds(
      device,
      fc
        .tuple(extents, fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 3 }), extents, seeds)
        .map(([batch, length, count, half, seed]): Case => ({
          label: `rotary of ${show([batch, length, count * 2 * half])} in ${count} heads`,
          inputs: { x: uniform([batch, length, count * 2 * half], seed) },
          traced: ({ x }) => rotary(x!, count),
          reference: ({ x }) => turned(x!, count),
        })),
    ));

  test("dropout, with a mask of another shape and the same size", () =>
    holds(
      device,
      fc.tuple(shapes(1, 3), fc.constantFrom(0.1, 0.5, 0.9), seeds).map(([shape, probability, seed]): Case => {
        const keep = flags([truth.sizeOf(shape)], seed + 1);
        return {
          label: `dropout of ${show(shape)}`,
          inputs: { x: uniform(shape, seed) },
          fixed: { keep },
          traced: ({ x, keep: k }) => dropout(x!, k!, probability),
          reference: ({ x }) => ({ shape, data: x!.data.map((value, i) => (keep.data[i] ? value / (1 - probability) : 0)) }),
        };
      }),
    ));
});
