import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type TensorData, type WritableDtype, elementCount, encode, toFloat32, toFloat64, toInt32 } from "../../src/formats/dtype.ts";
import { UserError } from "../../src/platform/errors.ts";

const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const encodeAll = (dtype: WritableDtype, data: TensorData): Uint8Array => encode(dtype, data, 0, data.length, "x");

describe("reading", () => {
  test("every type as float32 and float64", () => {
    const cases: [Parameters<typeof toFloat32>[0], ArrayBufferView, number[]][] = [
      ["F64", Float64Array.of(0.1, -2), [0.1, -2]],
      ["F32", Float32Array.of(0.5, -2), [0.5, -2]],
      ["F16", Uint16Array.of(0x3c00, 0xc000), [1, -2]],
      ["BF16", Uint16Array.of(0x3f80, 0xc000), [1, -2]],
      ["I64", BigInt64Array.of(5n, -7n), [5, -7]],
      ["U64", BigUint64Array.of(5n, 7n), [5, 7]],
      ["I32", Int32Array.of(5, -7), [5, -7]],
      ["U32", Uint32Array.of(5, 4294967295), [5, 4294967295]],
      ["I16", Int16Array.of(5, -7), [5, -7]],
      ["U16", Uint16Array.of(5, 65535), [5, 65535]],
      ["I8", Int8Array.of(5, -7), [5, -7]],
      ["U8", Uint8Array.of(5, 255), [5, 255]],
      ["BOOL", Uint8Array.of(0, 1), [0, 1]],
    ];
    for (const [dtype, array, values] of cases) {
      expect([...toFloat32(dtype, bytesOf(array), "x")]).toEqual(values.map(Math.fround));
      expect([...toFloat64(dtype, bytesOf(array), "x")]).toEqual(values);
      // From an address that is no multiple of the element's size.
      const shifted = new Uint8Array(array.byteLength + 1);
      shifted.set(bytesOf(array), 1);
      expect([...toFloat64(dtype, shifted.subarray(1), "x")]).toEqual(values);
    }
  });

  test("32-bit integers from every integer type, and only from those", () => {
    expect([...toInt32("I64", bytesOf(BigInt64Array.of(2147483647n, -2147483648n)), "x")]).toEqual([2147483647, -2147483648]);
    expect([...toInt32("BOOL", Uint8Array.of(1, 0), "x")]).toEqual([1, 0]);
    expect(() => toInt32("I64", bytesOf(BigInt64Array.of(2147483648n)), 'tensor "x"')).toThrow(
      new UserError('tensor "x" holds 2147483648, which a 32-bit integer cannot'),
    );
    expect(() => toInt32("U32", bytesOf(Uint32Array.of(4294967295)), "x")).toThrow(UserError);
    for (const dtype of ["F32", "BF16", "F8_E5M2"] as const) expect(() => toInt32(dtype, new Uint8Array(4), "x")).toThrow(/not integers/);
  });

  test("what does not fit is an error", () => {
    expect(() => toFloat32("F64", bytesOf(Float64Array.of(1, -1e39)), "w")).toThrow(new UserError("w holds -1e+39, which float32 cannot"));
    expect([...toFloat32("F64", bytesOf(Float64Array.of(3.4028235677973362e38, -Infinity)), "w")]).toEqual([
      3.4028234663852886e38,
      -Infinity,
    ]);
    expect(() => toFloat64("I64", bytesOf(BigInt64Array.of(2n ** 53n + 1n)), "w")).toThrow(UserError);
    expect(() => toFloat32("F8_E4M3", Uint8Array.of(1), "w")).toThrow(/F8_E4M3, which is not supported/);
  });
});

describe("writing", () => {
  test("what a type holds exactly comes back, from any kind of array", () => {
    const exact: Record<WritableDtype, fc.Arbitrary<number>> = {
      F64: fc.double(),
      F32: fc.float(),
      F16: fc.integer({ min: -2048, max: 2048 }).map((n) => n / 64),
      BF16: fc.integer({ min: -256, max: 256 }).map((n) => n * 2 ** 40),
      I32: fc.integer(),
      I64: fc.maxSafeInteger(),
    };
    for (const [dtype, values] of Object.entries(exact) as [WritableDtype, fc.Arbitrary<number>][]) {
      fc.assert(
        fc.property(fc.array(values), (array) => {
          const negativeZeroToo = array.map((value) => (dtype.startsWith("I") ? value + 0 : value));
          for (const data of [array, Float64Array.from(array)])
            expect([...toFloat64(dtype, encodeAll(dtype, data), "x")]).toEqual(negativeZeroToo);
        }),
        { numRuns: 50 },
      );
    }
    expect([...toFloat64("I64", encodeAll("I64", BigInt64Array.of(-3n)), "x")]).toEqual([-3]);
    expect([...toFloat64("I64", encodeAll("I64", Int32Array.of(-3)), "x")]).toEqual([-3]);
  });

  test("data of the type itself is not copied, and a part is a part", () => {
    const data = Float32Array.of(1, 2, 3, 4).subarray(1);
    const bytes = encode("F32", data, 1, 3, "x");
    expect(bytes.buffer).toBe(data.buffer);
    expect([...toFloat32("F32", bytes, "x")]).toEqual([3, 4]);
    expect([...toFloat32("F16", encode("F16", data, 1, 3, "x"), "x")]).toEqual([3, 4]);
  });

  test.each<[WritableDtype, number]>([
    ["F16", 65520],
    ["F16", -1e30],
    ["BF16", 3.4e38],
    ["F32", 1e39],
    ["I32", 1.5],
    ["I32", 2 ** 31],
    ["I32", NaN],
    ["I64", 2 ** 53],
  ])("%s refuses %d", (dtype, value) => {
    expect(() => encodeAll(dtype, [0, value])).toThrow(new UserError(`x holds ${value}, which ${dtype} cannot`));
  });

  test("infinities and NaN pass through real types; the largest values are not refused", () => {
    for (const dtype of ["F16", "BF16", "F32", "F64"] as const) {
      expect([...toFloat32(dtype, encodeAll(dtype, [Infinity, -Infinity, NaN]), "x")]).toEqual([Infinity, -Infinity, NaN]);
    }
    expect([...toFloat32("F16", encodeAll("F16", [65519.99, -65504]), "x")]).toEqual([65504, -65504]);
  });
});

test("elementCount", () => expect([[], [3], [2, 0], [2, 3, 4]].map(elementCount)).toEqual([1, 3, 0, 24]));
