/**
 * Reads what `torch.save` writes (since PyTorch 1.6: a zip of one pickle and a file for each storage) without running anything. Tensors are read from
 * the file only when asked for, so that a checkpoint's optimizer state costs nothing.
 */
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";
import { type Dtype, elementBytes, elementCount, toFloat32, toFloat64 } from "./dtype.ts";
import { type PickleGlobal, type PickleValue, unpickle } from "./pickle.ts";
import { type Source, fileSource } from "./source.ts";
import { type ZipEntry, openZip } from "./zip.ts";

/** A tensor of a file, still there. */
export class PyTorchTensor {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** The values, row-major, as float32 in memory of their own. What float32 cannot hold, and a damaged file, are UserErrors. */
  readonly load: () => Promise<Float32Array>;

  constructor(dtype: Dtype, shape: readonly number[], load: () => Promise<Float32Array>) {
    this.dtype = dtype;
    this.shape = shape;
    this.load = load;
  }
}

/** An expanded view (stride 0) can be larger than its storage; beyond this many elements it is no longer believed. */
const largestExpansion = 2 ** 24;

/**
 * The value that was saved: dictionaries are Maps, tuples and lists arrays, NumPy scalars numbers, tensors {@link PyTorchTensor}s. A pickle that asks for
 * anything else than tensors need, and a file that is damaged or cut off, are UserErrors.
 */
export async function readPyTorch(path: string, options?: OpenOptions): Promise<PickleValue> {
  return parsePyTorch(await fileSource(path, options));
}

/** The same from any source. */
export async function parsePyTorch(source: Source): Promise<PickleValue> {
  await refuseOldFormat(source);
  const entries = await openZip(source);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const main = pickles[0];
  if (main === undefined || pickles.length > 1)
    throw new UserError(`${source.name} was not written by torch.save: it has no single data.pkl`);
  const root = main.slice(0, -"data.pkl".length);
  await refuseBigEndian(source, entries.get(`${root}byteorder`));
  const pickle = entries.get(main)!;
  const fail: Fail = (what) => new UserError(`${source.name} is damaged or not supported: ${what}`);
  const globals = globalsOf(source, fail);
  return unpickle(await pickle.read(0, pickle.size), {
    name: source.name,
    global: (name) => globals.get(name),
    persistent: (id) => storageOf(id, (key) => entries.get(`${root}data/${key}`), fail),
  });
}

type Fail = (what: string) => UserError;

async function refuseOldFormat(source: Source): Promise<void> {
  const start = await source.read(0, Math.min(2, source.size));
  if (start[0] === 0x80)
    throw new UserError(`${source.name} is in PyTorch's format from before version 1.6; load it there and torch.save it again`);
}

async function refuseBigEndian(source: Source, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return; // written before PyTorch 2.1
  const order = new TextDecoder().decode(await entry.read(0, entry.size));
  if (order !== "little") throw new UserError(`${source.name} was written on a big-endian machine, which is not supported`);
}

/** The memory behind one or more tensors: a flat array of `length` elements. */
class Storage {
  readonly dtype: Dtype;
  readonly length: number;
  readonly entry: ZipEntry;

  constructor(dtype: Dtype, length: number, entry: ZipEntry) {
    this.dtype = dtype;
    this.length = length;
    this.entry = entry;
  }
}

interface StorageType extends PickleGlobal {
  readonly dtype: Dtype;
}

/** A persistent id: ("storage", type, key, device such as "cuda:0", number of elements). The device does not matter here. */
function storageOf(id: PickleValue, find: (key: string) => ZipEntry | undefined, fail: Fail): Storage {
  const [kind, type, key, , length] = Array.isArray(id) ? (id as PickleValue[]) : [];
  if (kind !== "storage" || !(type instanceof Object) || !("dtype" in type) || typeof key !== "string" || !isSize(length)) {
    throw fail("a persistent id is not that of a storage");
  }
  const { dtype } = type as StorageType;
  const entry = find(key);
  if (entry === undefined) throw fail(`the storage ${key} is missing`);
  if (entry.size !== length * elementBytes[dtype]) {
    throw fail(`the storage ${key} needs ${length * elementBytes[dtype]} bytes (${length} of ${dtype}), it has ${entry.size}`);
  }
  return new Storage(dtype, length, entry);
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);

const storageTypes: Record<string, Dtype> = {
  DoubleStorage: "F64",
  FloatStorage: "F32",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

/** NumPy's names of the types a scalar can have, in native and in little-endian byte order. */
const numpyTypes: Record<string, Dtype> = {
  f8: "F64",
  f4: "F32",
  f2: "F16",
  i8: "I64",
  i4: "I32",
  i2: "I16",
  i1: "I8",
  u8: "U64",
  u4: "U32",
  u2: "U16",
  u1: "U8",
  b1: "BOOL",
};

/** Everything that a pickle may name. */
function globalsOf(source: Source, fail: Fail): Map<string, PickleGlobal> {
  const globals = new Map<string, PickleGlobal>();
  const add = (global: string, call: PickleGlobal["call"]): Map<string, PickleGlobal> => globals.set(global, { global, call });

  add("collections.OrderedDict", ([pairs = []]) => {
    if (!Array.isArray(pairs) || !pairs.every((pair) => Array.isArray(pair) && pair.length === 2))
      throw fail("an OrderedDict is not made of pairs");
    return new Map(pairs as [PickleValue, PickleValue][]);
  });
  add("torch.Size", ([sizes]) => {
    if (!isSizes(sizes)) throw fail("a torch.Size is not made of sizes");
    return sizes;
  });
  add("torch._utils._rebuild_tensor_v2", (args) => rebuildTensor(args, source, fail));
  add("torch._utils._rebuild_parameter", ([tensor]) => {
    if (!(tensor instanceof PyTorchTensor)) throw fail("a parameter is not a tensor");
    return tensor;
  });
  for (const [name, dtype] of Object.entries(storageTypes)) {
    const call = (): never => {
      throw fail(`torch.${name} is called`);
    };
    globals.set(`torch.${name}`, { global: name, dtype, call } as StorageType);
  }
  add("numpy.dtype", ([type]) => {
    const dtype = typeof type === "string" && Object.hasOwn(numpyTypes, type) ? numpyTypes[type] : undefined;
    if (dtype === undefined) throw fail(`the NumPy type ${String(type)} is not supported`);
    // The state is (version, byte order, …): "<" little-endian, "|" of one byte.
    const build = (state: PickleValue): void => {
      if (!Array.isArray(state) || (state[1] !== "<" && state[1] !== "|")) throw fail("a NumPy scalar is not little-endian");
    };
    return { dtype, build };
  });
  for (const module of ["numpy.core", "numpy._core"]) {
    add(`${module}.multiarray.scalar`, ([type, bytes]) => {
      if (!(type instanceof Object) || !("dtype" in type) || !(bytes instanceof Uint8Array))
        throw fail("a NumPy scalar is not of a simple type");
      const dtype = type.dtype as Dtype;
      if (bytes.length !== elementBytes[dtype]) throw fail(`a NumPy scalar of type ${dtype} has ${bytes.length} bytes`);
      return toFloat64(dtype, bytes, `a NumPy scalar of ${source.name}`)[0]!;
    });
  }
  // How protocol 2 writes bytes.
  add("_codecs.encode", ([text, encoding]) => {
    if (typeof text !== "string" || encoding !== "latin1") throw fail("bytes are not written as latin1");
    return Uint8Array.from(text, (character) => {
      if (character > "\u00ff") throw fail("bytes are not written as latin1");
      return character.charCodeAt(0);
    });
  });
  return globals;
}

/** A view of a storage: (storage, offset, shape, strides, …), offset and strides in elements. */
function rebuildTensor(args: readonly PickleValue[], source: Source, fail: Fail): PyTorchTensor {
  const [storage, offset, shape, strides] = args;
  if (!(storage instanceof Storage) || !isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
    throw fail("a tensor has no storage, shape or strides");
  }
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count)) throw fail(`a tensor has the shape [${shape.join(", ")}]`);
  const span = count === 0 ? 0 : shape.reduce((last, size, i) => last + (size - 1) * strides[i]!, 0) + 1;
  if (offset + span > storage.length) throw fail(`a tensor needs ${offset + span} elements of a storage of ${storage.length}`);
  if (count > Math.max(storage.length, largestExpansion))
    throw fail(`a tensor of shape [${shape.join(", ")}] repeats a storage of ${storage.length}`);
  return new PyTorchTensor(storage.dtype, shape, async () => {
    const size = elementBytes[storage.dtype];
    const bytes = await storage.entry.read(offset * size, span * size);
    const values = toFloat32(storage.dtype, bytes, `a tensor of ${source.name}`);
    return isContiguous(shape, strides) ? values : gather(values, shape, strides, count);
  });
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== expected) return false;
    expected *= shape[i]!;
  }
  return true;
}

/** Row-major values of a strided view: an odometer over the shape. */
function gather(values: Float32Array, shape: readonly number[], strides: readonly number[], count: number): Float32Array {
  const result = new Float32Array(count);
  const index = shape.map(() => 0);
  let at = 0;
  for (let i = 0; i < count; i++) {
    result[i] = values[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return result;
}
