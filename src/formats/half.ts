/**
 * 16-bit floats as their bits: IEEE 754 binary16 ("F16") and bfloat16 ("BF16"), to and from float32. Rounding is to nearest, ties to even;
 * subnormals, infinities and NaN are kept; what is too large becomes an infinity (the caller decides whether that is an error).
 */

const scratch = new Uint32Array(1);
const scratchFloat = new Float32Array(scratch.buffer);

let table: Float32Array | undefined;

/** The value of every binary16: index = bits. 256 KiB, made at first use. */
export function halfValues(): Float32Array {
  return (table ??= Float32Array.from({ length: 65536 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >>> 10) & 0x1f;
    const fraction = bits & 0x3ff;
    if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
  }));
}

/** The bits of the binary16 nearest to a float32. */
export function toHalf(value: number): number {
  scratchFloat[0] = value;
  const bits = scratch[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 2^16 and above, infinity included
  if (magnitude >= 0x38800000) {
    // Normal, ≥ 2^−14: rebias the exponent by 15 − 127 and drop 13 bits; a carry runs into the exponent, up to infinity, as it should.
    return sign | roundShift(magnitude - 0x38000000, 13);
  }
  if (magnitude <= 0x33000000) return sign; // ≤ 2^−25, the tie with 0
  // Subnormal, a multiple of 2^−24: the significand m·2^(e−150) is m >> (126 − e) of them.
  return sign | roundShift((magnitude & 0x7fffff) | 0x800000, 126 - (magnitude >>> 23));
}

/** The bits of the bfloat16 nearest to a float32. */
export function toBrain(value: number): number {
  scratchFloat[0] = value;
  const bits = scratch[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  return magnitude > 0x7f800000 ? sign | 0x7fc0 : sign | roundShift(magnitude, 16);
}

/** n / 2^shift rounded to the nearest integer, ties to even. */
function roundShift(n: number, shift: number): number {
  const quotient = n >>> shift;
  const rest = n & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return rest > half || (rest === half && (quotient & 1) === 1) ? quotient + 1 : quotient;
}
