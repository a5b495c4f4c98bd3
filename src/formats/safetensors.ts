/**
 * The safetensors format (github.com/huggingface/safetensors): 8 bytes of header length, a JSON header, then the tensors' bytes without gaps.
 * Reads with every check of the reference implementation, and a few more; `safetensors-writer.ts` writes.
 */
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";
import { decodeUtf8, invalidUtf8At } from "../platform/utf8.ts";
import { type Dtype, elementBytes, elementCount, isDtype, toFloat32, toFloat64, toInt32 } from "./dtype.ts";
import { isObject, parseJsonObject, repeatedKey } from "./json.ts";
import { type Source, fileSource } from "./source.ts";

export { type TensorToWrite, writeSafetensors } from "./safetensors-writer.ts";

/** The reference implementation's limit. */
const longestHeader = 100_000_000;

/** One tensor of a file: bytes `begin` (included) to `end` (not included) of the file. */
export interface TensorEntry {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of the bytes. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
}

/** A file whose tensors are read one by one, when asked for. */
export interface OpenSafetensors extends SafetensorsHeader {
  /** The tensor as float32, in memory of its own. An unknown name, or a value that float32 cannot hold, is a UserError. */
  tensor(name: string): Promise<Float32Array>;
}

/** A file in memory. Every array is a copy of its own; an unknown name or an impossible conversion is a UserError. */
export interface Safetensors extends SafetensorsHeader {
  shape(name: string): readonly number[];
  /** Any type but F8, as float32. */
  tensor(name: string): Float32Array;
  /** Any type but F8, as float64. */
  float64(name: string): Float64Array;
  /** Integers and booleans, as 32-bit integers. */
  int32(name: string): Int32Array;
  /** The bytes as stored, little-endian. */
  bytes(name: string): Uint8Array;
}

/** Reads and checks the header alone. */
export async function openSafetensors(path: string, options?: OpenOptions): Promise<OpenSafetensors> {
  const source = await fileSource(path, options);
  const header = await readHeader(source);
  return {
    ...header,
    tensor: async (name) => {
      const { dtype, begin, end } = entryOf(header, name, path);
      return toFloat32(dtype, await source.read(begin, end - begin), describe(name, path));
    },
  };
}

/** Reads a whole file into memory. A file that is damaged or cut off is a UserError that says what is wrong. */
export async function readSafetensors(path: string): Promise<Safetensors> {
  const source = await fileSource(path);
  const header = await readHeader(source);
  const stored = new Map<string, Uint8Array>();
  for (const [name, { begin, end }] of header.entries) stored.set(name, await source.read(begin, end - begin));
  return inMemory(header, path, (name) => stored.get(name)!);
}

/** The same for bytes; `name` is what error messages call them. */
export function parseSafetensors(bytes: Uint8Array, name = "safetensors data"): Safetensors {
  const length = headerLength(bytes.subarray(0, 8), bytes.length, name);
  const header = parseHeader(bytes.subarray(8, 8 + length), bytes.length, name);
  return inMemory(header, name, (tensor) => bytes.subarray(header.entries.get(tensor)!.begin, header.entries.get(tensor)!.end));
}

function inMemory(header: SafetensorsHeader, file: string, stored: (name: string) => Uint8Array): Safetensors {
  const get = <T>(name: string, convert: (dtype: Dtype, bytes: Uint8Array, what: string) => T): T =>
    convert(entryOf(header, name, file).dtype, stored(name).slice(), describe(name, file));
  return {
    ...header,
    shape: (name) => entryOf(header, name, file).shape,
    tensor: (name) => get(name, toFloat32),
    float64: (name) => get(name, toFloat64),
    int32: (name) => get(name, toInt32),
    bytes: (name) => get(name, (_, bytes) => bytes),
  };
}

const describe = (name: string, file: string): string => `tensor "${name}" of ${file}`;

function entryOf(header: SafetensorsHeader, name: string, file: string): TensorEntry {
  const entry = header.entries.get(name);
  if (entry === undefined) throw new UserError(`${file} has no tensor "${name}"`);
  return entry;
}

async function readHeader(source: Source): Promise<SafetensorsHeader> {
  const length = headerLength(await source.read(0, Math.min(8, source.size)), source.size, source.name);
  return parseHeader(await source.read(8, length), source.size, source.name);
}

/** The header's length, from the first 8 bytes (little-endian). */
function headerLength(start: Uint8Array, size: number, file: string): number {
  if (start.length < 8)
    throw new UserError(`${file} is not a safetensors file, or cut off: it has ${size} bytes, and the header alone needs more`);
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > longestHeader) throw new UserError(`${file} is not a safetensors file: it claims a header of ${length} bytes`);
  if (8 + length > size) throw new UserError(`${file} is cut off: its header ends at byte ${8 + length}, the file at byte ${size}`);
  return length;
}

function parseHeader(bytes: Uint8Array, size: number, file: string): SafetensorsHeader {
  const bad = (what: string): UserError => new UserError(`${file} is not a valid safetensors file: ${what}`);
  const text = decodeUtf8(bytes);
  if (text === undefined) throw bad(`its header is not UTF-8 at byte ${8 + invalidUtf8At(bytes)}`);
  if (!text.startsWith("{")) throw bad("its header does not begin with {");
  const { __metadata__: metadata = {}, ...tensors } = parseJsonObject(text, `the header of ${file}`);
  const twice = repeatedKey(text);
  if (twice !== undefined) throw bad(`its header gives "${twice}" twice`);
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    throw bad("its metadata are not strings");
  const start = 8 + bytes.length;
  const entries = Object.entries(tensors)
    .map(([name, value]): [string, TensorEntry] => [name, parseEntry(value, start, (what) => bad(`tensor "${name}" ${what}`))])
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end);
  let end = start;
  for (const [name, entry] of entries) {
    if (entry.begin !== end) throw bad(`tensor "${name}" begins at byte ${entry.begin}, but the one before it ends at byte ${end}`);
    end = entry.end;
  }
  if (size < end) throw new UserError(`${file} is cut off: its tensors need ${end} bytes, it has ${size} (${end - size} are missing)`);
  if (size > end) throw bad(`its tensors end at byte ${end}, but it has ${size} bytes`);
  return { metadata: metadata as Record<string, string>, entries: new Map(entries) };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function parseEntry(value: unknown, start: number, bad: (what: string) => UserError): TensorEntry {
  if (!isObject(value)) throw bad("has no description");
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !isDtype(dtype)) throw bad(`has the unknown type ${JSON.stringify(dtype)}`);
  if (!Array.isArray(shape) || !shape.every(isSize)) throw bad(`has the shape ${JSON.stringify(shape)}`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isSize) || offsets[0] > offsets[1]) {
    throw bad(`has the offsets ${JSON.stringify(offsets)}`);
  }
  const needed = elementCount(shape) * elementBytes[dtype];
  if (needed !== offsets[1] - offsets[0]) {
    throw bad(`of type ${dtype} and shape [${shape.join(", ")}] needs ${needed} bytes, but has ${offsets[1] - offsets[0]}`);
  }
  return { dtype, shape, begin: start + offsets[0], end: start + offsets[1] };
}
