/**
 * The element types of stored tensors, under their safetensors names, and conversion between their little-endian bytes and JavaScript's arrays.
 * A value that the target cannot hold (an integer out of range, a finite number that would become infinite) is a UserError.
 */
import { UserError } from "../platform/errors.ts";
import { halfValues, toBrain, toHalf } from "./half.ts";

/** Bytes of an element. The F8 types can be listed and passed on, but not converted. */
export const elementBytes = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  F8_E5M2: 1,
  F8_E4M3: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

export type Dtype = keyof typeof elementBytes;

/** The types that are written. */
export type WritableDtype = "F32" | "F16" | "BF16" | "F64" | "I32" | "I64";

/** What can be given to be written. */
export type TensorData = Float32Array | Float64Array | Int32Array | BigInt64Array | readonly number[];

export const isDtype = (name: string): name is Dtype => Object.hasOwn(elementBytes, name);

/** The number of elements of a shape (1 for a scalar's `[]`). */
export const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

const largestFloat32 = 3.4028235677973366e38; // from here on, numbers round to infinity: 2^128 − 2^103

/** The elements as they are stored, without conversion; 64-bit integers as bigints, 16-bit floats as their bits. */
function raw(dtype: Dtype, bytes: Uint8Array): ArrayLike<number> | ArrayLike<bigint> {
  const size = elementBytes[dtype];
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  const length = bytes.length / size;
  switch (dtype) {
    case "F64":
      return new Float64Array(buffer, byteOffset, length);
    case "F32":
      return new Float32Array(buffer, byteOffset, length);
    case "F16":
    case "BF16":
    case "U16":
      return new Uint16Array(buffer, byteOffset, length);
    case "I16":
      return new Int16Array(buffer, byteOffset, length);
    case "I32":
      return new Int32Array(buffer, byteOffset, length);
    case "U32":
      return new Uint32Array(buffer, byteOffset, length);
    case "I64":
      return new BigInt64Array(buffer, byteOffset, length);
    case "U64":
      return new BigUint64Array(buffer, byteOffset, length);
    case "I8":
      return new Int8Array(buffer, byteOffset, length);
    default:
      return bytes;
  }
}

/** Any convertible type as float32. F32 bytes that are aligned are not copied: the result shares their memory. `what` names the tensor in errors. */
export function toFloat32(dtype: Dtype, bytes: Uint8Array, what: string): Float32Array {
  const stored = raw(dtype, bytes);
  if (stored instanceof Float32Array) return stored;
  const result = new Float32Array(stored.length);
  if (dtype === "F16") {
    const values = halfValues();
    for (let i = 0; i < result.length; i++) result[i] = values[stored[i] as number]!;
  } else if (dtype === "BF16") {
    const bits = new Uint32Array(result.buffer);
    for (let i = 0; i < bits.length; i++) bits[i] = (stored[i] as number) << 16;
  } else {
    refuseF8(dtype, what);
    for (let i = 0; i < result.length; i++) result[i] = Number(stored[i]);
    if (stored instanceof Float64Array) {
      for (const value of stored) if (overflows(value, largestFloat32)) throw new UserError(`${what} holds ${value}, which float32 cannot`);
    }
  }
  return result;
}

/** Any convertible type as float64; 64-bit integers beyond 2^53 are a UserError. */
export function toFloat64(dtype: Dtype, bytes: Uint8Array, what: string): Float64Array {
  if (dtype === "F16" || dtype === "BF16" || dtype === "F32") return Float64Array.from(toFloat32(dtype, bytes, what));
  refuseF8(dtype, what);
  return Float64Array.from(raw(dtype, bytes) as ArrayLike<number | bigint>, (value) => {
    const number = Number(value);
    if (typeof value === "bigint" && BigInt(number) !== value) throw new UserError(`${what} holds ${value}, which float64 cannot`);
    return number;
  });
}

/** Any integer type (or booleans, as 0 and 1) as 32-bit integers; a value out of range, or a type of real numbers, is a UserError. */
export function toInt32(dtype: Dtype, bytes: Uint8Array, what: string): Int32Array {
  if (dtype.includes("F")) throw new UserError(`${what} holds ${dtype}, not integers`);
  return Int32Array.from(raw(dtype, bytes) as ArrayLike<number | bigint>, (value) => {
    const number = Number(value);
    if (number !== (number | 0)) throw new UserError(`${what} holds ${value}, which a 32-bit integer cannot`);
    return number;
  });
}

function refuseF8(dtype: Dtype, what: string): void {
  if (dtype.startsWith("F8")) throw new UserError(`${what} holds ${dtype}, which is not supported; convert it to F16 or F32`);
}

const overflows = (value: number, limit: number): boolean => Math.abs(value) >= limit && Number.isFinite(value);

/** Elements `from` (included) to `to` (not included) as bytes of a type; data that already is of the type is not copied. */
export function encode(dtype: WritableDtype, data: TensorData, from: number, to: number, what: string): Uint8Array {
  if (isStoredAs(dtype, data))
    return new Uint8Array(data.buffer, data.byteOffset + from * elementBytes[dtype], (to - from) * elementBytes[dtype]);
  const bytes = new Uint8Array((to - from) * elementBytes[dtype]);
  const target = raw(dtype, bytes) as { [index: number]: number | bigint };
  const convert = converters[dtype];
  for (let i = from; i < to; i++) {
    const converted = convert(Number(data[i]));
    if (converted === undefined) throw new UserError(`${what} holds ${data[i]}, which ${dtype} cannot`);
    target[i - from] = converted;
  }
  return bytes;
}

function isStoredAs(dtype: WritableDtype, data: TensorData): data is Exclude<TensorData, readonly number[]> {
  return (
    (dtype === "F32" && data instanceof Float32Array) ||
    (dtype === "F64" && data instanceof Float64Array) ||
    (dtype === "I32" && data instanceof Int32Array) ||
    (dtype === "I64" && data instanceof BigInt64Array)
  );
}

const within = (bits: number, infinity: number, value: number): number | undefined =>
  (bits & 0x7fff) === infinity && Number.isFinite(value) ? undefined : bits;

/** A number as what its type stores, or `undefined` where it has no such value. */
const converters: Record<WritableDtype, (value: number) => number | bigint | undefined> = {
  F64: (value) => value,
  F32: (value) => (overflows(value, largestFloat32) ? undefined : value),
  F16: (value) => within(toHalf(value), 0x7c00, value),
  BF16: (value) => within(toBrain(value), 0x7f80, value),
  I32: (value) => (value === (value | 0) ? value : undefined),
  I64: (value) => (Number.isSafeInteger(value) ? BigInt(value) : undefined),
};
