/** Diversity of samples: by hand, and against counting pair by pair. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { distinctShare, repetitionShare, unigramEntropy } from "../../src/evaluation/diversity.ts";

const samples = fc.array(fc.array(fc.nat(3), { maxLength: 12 }), { minLength: 1, maxLength: 4 });
const ngrams = (sample: readonly number[], n: number): number[][] =>
  Array.from({ length: Math.max(0, sample.length - n + 1) }, (_, i) => sample.slice(i, i + n));

describe("distinctShare", () => {
  test("by hand: (1 2) (2 1) (1 2), and (2 1) (1 11)", () => {
    expect(distinctShare([Int32Array.of(1, 2, 1, 2), Int32Array.of(2, 1, 11)], 2)).toBe(3 / 5);
    expect(
      distinctShare(
        [
          [1, 11],
          [11, 1],
        ],
        2,
      ),
    ).toBe(1);
    expect(distinctShare([[7, 7, 7, 7]], 1)).toBe(1 / 4);
  });

  test("as counted pair by pair, with n-grams inside one sample only", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 3 }), (list, n) => {
        const all = list.flatMap((sample) => ngrams(sample, n));
        fc.pre(all.length > 0);
        const first = all.filter((one, i) => !all.slice(0, i).some((other) => other.every((token, k) => token === one[k])));
        expect(distinctShare(list, n)).toBe(first.length / all.length);
      }),
    );
  });

  test("samples too short for any n-gram are an error, not a number", () => {
    expect(() => distinctShare([[1, 2], []], 3)).toThrow(new RangeError("distinctShare: no sample has 3 tokens"));
  });
});

test("repetitionShare: the n-grams that stood in the sample before", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(2), { minLength: 3, maxLength: 20 }), (sample) => {
      const all = ngrams(sample, 3).map(String);
      const again = all.filter((one, i) => all.indexOf(one) < i);
      expect(repetitionShare(sample, 3)).toBeCloseTo(again.length / all.length, 12);
    }),
  );
  expect(repetitionShare([1, 2, 3, 4, 5], 4)).toBe(0);
});

describe("unigramEntropy", () => {
  test("by hand: a half and two quarters; even; one word; nothing", () => {
    expect(unigramEntropy([5, 5, 8, 9])).toBeCloseTo(1.5 * Math.LN2, 14);
    expect(unigramEntropy(Int32Array.from({ length: 64 }, (_, i) => i))).toBeCloseTo(Math.log(64), 13);
    expect(unigramEntropy([3, 3, 3])).toBe(0);
    expect(unigramEntropy([])).toBe(0);
  });

  test("does not depend on order or names, and a sample twice has that of once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { minLength: 1 }), (sample) => {
        const entropy = unigramEntropy(sample);
        expect(unigramEntropy([...sample, ...sample.toReversed()].map((token) => 1000 - token))).toBeCloseTo(entropy, 12);
        expect(entropy).toBeLessThanOrEqual(Math.log(sample.length) + 1e-12);
      }),
    );
  });
});
