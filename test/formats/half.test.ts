import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { halfValues, toBrain, toHalf } from "../../src/formats/half.ts";

const words = new Uint32Array(1);
const floats = new Float32Array(words.buffer);
const fromBits = (bits: number): number => {
  words[0] = bits;
  return floats[0]!;
};
const brainValue = (bits: number): number => fromBits(bits << 16);

/** IEEE 754's rule, from the values alone: of the two neighbours the nearer one, of two equally near ones that with the even last bit. */
function nearest(value: number, valueOf: (bits: number) => number, infinity: number): number {
  const magnitude = Math.abs(value);
  let below = 0; // the largest finite value that is not larger: bits grow with the value
  let above = infinity;
  while (above - below > 1) {
    const middle = (below + above) >>> 1;
    if (valueOf(middle) <= magnitude) below = middle;
    else above = middle;
  }
  // Infinity stands where the next power of two would be.
  const next = above === infinity ? 2 * valueOf(infinity - 0x1) - valueOf(infinity - 0x2) : valueOf(above);
  const low = magnitude - valueOf(below);
  const high = next - magnitude;
  const bits = low < high || (low === high && below % 2 === 0) ? below : above;
  return (value < 0 || Object.is(value, -0) ? 0x8000 : 0) | bits;
}

describe("binary16", () => {
  test("known values", () => {
    const values = halfValues();
    const known: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
      [0x0400, 2 ** -14],
      [0x03ff, 2 ** -14 - 2 ** -24],
      [0x0001, 2 ** -24],
      [0x3555, 0.333251953125],
      [0x7c00, Infinity],
      [0xfc00, -Infinity],
    ];
    for (const [bits, value] of known) expect(values[bits]).toBe(value);
    expect(values[0x8000]).toBe(-0);
    expect(values[0x7e00]).toBeNaN();
  });

  test("every value comes back, each of the 65,536", () => {
    const values = halfValues();
    const wrong: number[] = [];
    for (let bits = 0; bits < 65536; bits++) {
      const isNaN = (bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0;
      const back = toHalf(values[bits]!);
      // NaN has no sign or payload once it has been a number of JavaScript's.
      if (isNaN ? (back & 0x7fff) !== 0x7e00 : back !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test("exactly half way between two neighbours goes to the even one; a hair beside it to the nearer", () => {
    const values = halfValues();
    const wrong: number[] = [];
    for (let bits = 0; bits < 0x7c00; bits++) {
      const next = bits === 0x7bff ? 65536 : values[bits + 1]!;
      const middle = (values[bits]! + next) / 2; // exact in float32
      floats[0] = middle;
      const word = words[0]!;
      const even = bits % 2 === 0 ? bits : bits + 1;
      if (toHalf(middle) !== even || toHalf(-middle) !== (even | 0x8000)) wrong.push(bits);
      if (toHalf(fromBits(word - 1)) !== bits || toHalf(fromBits(word + 1)) !== bits + 1) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test("any float32 goes to the nearest", () => {
    const values = halfValues();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.float({ noNaN: true }),
          fc.float({ noNaN: true, min: -70000, max: 70000 }),
          fc.float({ noNaN: true, min: Math.fround(-1e-4), max: Math.fround(1e-4) }),
        ),
        (value) => {
          const expected = Number.isFinite(value) ? nearest(value, (bits) => values[bits]!, 0x7c00) : value > 0 ? 0x7c00 : 0xfc00;
          expect(toHalf(value)).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("bfloat16", () => {
  test("every value comes back", () => {
    const wrong: number[] = [];
    for (let bits = 0; bits < 65536; bits++) {
      const value = brainValue(bits);
      if (Number.isNaN(value) ? (toBrain(value) & 0x7fff) !== 0x7fc0 : toBrain(value) !== bits) wrong.push(bits);
    }
    expect(wrong).toEqual([]);
  });

  test("any float32 goes to the nearest", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.float({ noNaN: true }),
          fc
            .nat(0xff7f_ffff)
            .map(fromBits)
            .filter((value) => !Number.isNaN(value)),
        ),
        (value) => {
          const expected = Number.isFinite(value) ? nearest(value, brainValue, 0x7f80) : value > 0 ? 0x7f80 : 0xff80;
          expect(toBrain(value)).toBe(expected);
        },
      ),
      { numRuns: 2000 },
    );
  });
});
