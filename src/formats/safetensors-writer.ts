/**
 * Writes safetensors files byte for byte as the reference implementation does: tensors by falling alignment, then by name; a compact JSON header padded
 * with spaces to 8 bytes. Atomic, and in pieces: no second copy of the tensors is made.
 */
import { writeFileAtomic } from "#platform";
import { type TensorData, type WritableDtype, elementBytes, elementCount, encode } from "./dtype.ts";

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: WritableDtype;
  readonly shape: readonly number[];
  /** Row-major; converted to `dtype`, to nearest with ties to even. */
  readonly data: TensorData;
}

/** The reference's order of types; within a file they fall. */
const order: WritableDtype[] = ["F16", "BF16", "I32", "F32", "F64", "I64"];

/** Elements converted at a time. */
const pieceLength = 1 << 18;

/**
 * Writes a file whole or not at all. A value that the type cannot hold (a finite number that would become infinite, a fraction as an integer) and a
 * failure of the disk are UserErrors; a shape that does not fit its data, or a name given twice, is an Error.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Record<string, string> = {},
): Promise<void> {
  const sorted = [...tensors].sort((a, b) => order.indexOf(b.dtype) - order.indexOf(a.dtype) || compareCodePoints(a.name, b.name));
  await writeFileAtomic(path, pieces(sorted, headerOf(sorted, metadata), path));
}

function headerOf(tensors: readonly TensorToWrite[], metadata: Record<string, string>): Uint8Array {
  const fields: string[] = [];
  const field = (name: string, value: unknown): number => fields.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const keys = Object.keys(metadata).sort(compareCodePoints);
  if (keys.length > 0) field("__metadata__", Object.fromEntries(keys.map((key) => [key, metadata[key]])));
  const names = new Set(["__metadata__"]);
  let end = 0;
  for (const { name, dtype, shape, data } of tensors) {
    if (names.has(name)) throw new Error(`writeSafetensors: the name "${name}" is given twice or reserved`);
    if (elementCount(shape) !== data.length) {
      throw new Error(`writeSafetensors: "${name}" of shape [${shape.join(", ")}] needs ${elementCount(shape)} values, got ${data.length}`);
    }
    names.add(name);
    const begin = end;
    end += data.length * elementBytes[dtype];
    field(name, { dtype, shape, data_offsets: [begin, end] });
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const length = Math.ceil(json.length / 8) * 8;
  const header = new Uint8Array(8 + length).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(length), true);
  header.set(json, 8);
  return header;
}

function* pieces(tensors: readonly TensorToWrite[], header: Uint8Array, path: string): Generator<Uint8Array> {
  yield header;
  for (const { name, dtype, data } of tensors) {
    for (let from = 0; from < data.length; from += pieceLength) {
      yield encode(dtype, data, from, Math.min(from + pieceLength, data.length), `cannot write ${path}: tensor "${name}"`);
    }
  }
}

/** Unicode order, which is that of UTF-8 bytes; JavaScript's own `<` compares UTF-16. */
function compareCodePoints(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
