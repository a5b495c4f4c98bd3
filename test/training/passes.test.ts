/** The vector passes against the same arithmetic in double precision: each result within a few roundings of single precision. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { random } from "../../src/platform/random.ts";
import { plainPasses, type AdamStep } from "../../src/training/passes.ts";
import { arena } from "../../src/training/passes-simd.ts";

const MARGIN = 3;
const step: AdamStep = { scale: 0.37, beta1: 0.9, beta2: 0.999, size: 3e-3, correction: 1.7, eps: 1e-8, keep: 0.997, average: 0.02 };

/** Five buffers of n drawn numbers (the fourth not negative, as second moments are) inside larger ones whose margins must stay as they are. */
function buffers(n: number, seed: number) {
  const place = arena(5, n + 2 * MARGIN)!;
  const stream = random(seed);
  for (const [i, buffer] of place.buffers.entries())
    buffer.forEach((_, k) => (buffer[k] = i === 3 ? stream.uniform() ** 4 : stream.normal() * 10 ** (2 * stream.uniform() - 1)));
  const inner = place.buffers.map((buffer) => buffer.subarray(MARGIN, MARGIN + n)) as [
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  return {
    place,
    inner,
    plain: inner.map((buffer) => buffer.slice()) as typeof inner,
    before: place.buffers.map((buffer) => buffer.slice()),
  };
}

/** Every sum below has at most four terms, each rounded a few times: 8 units of 2⁻²⁴ of the largest term. */
function expectClose(actual: Float32Array, expected: Float32Array, scale: (i: number) => number): void {
  expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(8 * 2 ** -24 * scale(i) + 1e-38));
}

const anySize = fc.record({ n: fc.integer({ min: 0, max: 67 }), seed: fc.nat() });
const check = (run: (b: ReturnType<typeof buffers>) => void): void =>
  fc.assert(
    fc.property(anySize, ({ n, seed }) => {
      const b = buffers(n, seed);
      run(b);
      b.place.buffers.forEach((buffer, i) => {
        expect(buffer.subarray(0, MARGIN)).toEqual(b.before[i]!.subarray(0, MARGIN));
        expect(buffer.subarray(MARGIN + n)).toEqual(b.before[i]!.subarray(MARGIN + n));
      });
    }),
  );

describe("vector passes", () => {
  test("sumOfSquares, in double precision", () =>
    check(({ place, inner: [x] }) => {
      const exact = x.reduce((sum, value) => sum + value ** 2, 0);
      expect(Math.abs(place.passes.sumOfSquares(x) - exact)).toBeLessThanOrEqual(1e-13 * exact);
    }));

  test("adamw", () =>
    check(({ place: { passes }, inner, plain, before }) => {
      passes.adamw(...inner, step);
      plainPasses.adamw(...plain, step);
      const old = (k: number) => (i: number) => Math.abs(before[k]![MARGIN + i]!);
      const [p, g, m, v, ema] = [0, 1, 2, 3, 4];
      expectClose(inner[g]!, plain[g]!, () => 0);
      expectClose(inner[m]!, plain[m]!, (i) => old(m)(i) + old(g)(i));
      expectClose(inner[v]!, plain[v]!, (i) => old(v)(i) + old(g)(i) ** 2);
      // The update's own error goes with m over √v: both within 8 units of their terms, √v above 0.03 |g|·0.37.
      const update = (i: number) => (step.size * (old(m)(i) + old(g)(i))) / (Math.sqrt(plain[v]![i]!) * step.correction + step.eps);
      expectClose(inner[p]!, plain[p]!, (i) => old(p)(i) + 4 * update(i));
      expectClose(inner[ema]!, plain[ema]!, (i) => old(ema)(i) + old(p)(i) + 4 * update(i));
    }));

  test("nesterov", () =>
    check(({ place: { passes }, inner: [g, m], plain, before }) => {
      passes.nesterov(g, m, 0.37, 0.95);
      plainPasses.nesterov(plain[0], plain[1], 0.37, 0.95);
      const scale = (i: number) => Math.abs(before[0]![MARGIN + i]!) + Math.abs(before[1]![MARGIN + i]!);
      expectClose(g, plain[0], scale);
      expectClose(m, plain[1], scale);
    }));

  test("descend", () =>
    check(({ place: { passes }, inner: [p, d, ema], plain, before }) => {
      passes.descend(p, d, ema, 0.02, 0.999, 0.05);
      plainPasses.descend(plain[0], plain[1], plain[2], 0.02, 0.999, 0.05);
      const scale = (i: number) => [0, 1, 2].reduce((sum, k) => sum + Math.abs(before[k]![MARGIN + i]!), 0);
      expectClose(p, plain[0], scale);
      expectClose(ema, plain[2], scale);
      expectClose(d, plain[1], () => 0);
    }));
});

test("a memory larger than 32-bit addresses is refused, not wrapped", () => {
  expect(arena(5, 2 ** 28)).toBeUndefined();
});
