/** Small files in the format of `torch.save`, put together by hand: what the fixtures have no example of, and what is wrong or hostile. */

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

/** Little-endian fields: [bytes, value] each. */
function fields(...list: [1 | 2 | 4 | 8, number][]): Uint8Array {
  return concat(list.map(([size, value]) => new Uint8Array(new BigUint64Array([BigInt(value)]).buffer, 0, size)));
}

const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

export interface ZipOptions {
  /** Zip64 records throughout, as beyond 4 GiB. */
  readonly wide?: boolean;
  /** The compression that the directory claims. */
  readonly method?: number;
  /** A comment at the end. */
  readonly comment?: string;
}

/** A zip archive of stored entries. */
export function zip(files: Record<string, Uint8Array>, { wide = false, method = 0, comment = "" }: ZipOptions = {}): Uint8Array {
  const parts: Uint8Array[] = [];
  const directory: Uint8Array[] = [];
  let at = 0;
  const add = (part: Uint8Array): void => {
    parts.push(part);
    at += part.length;
  };
  const unknown = 0xffffffff;
  for (const [name, data] of Object.entries(files)) {
    const offset = at;
    const size = wide ? unknown : data.length;
    const padding = concat([ascii("FB"), fields([2, 3]), ascii("ZZZ")]); // PyTorch pads so that data are aligned
    const sizes = wide ? fields([2, 1], [2, 24], [8, data.length], [8, data.length], [8, offset]) : new Uint8Array(0);
    add(fields([4, 0x04034b50], [2, 0], [2, 0], [2, method], [4, 0], [4, 0], [4, size], [4, size], [2, name.length], [2, padding.length]));
    add(ascii(name));
    add(padding);
    add(data);
    directory.push(
      fields(
        [4, 0x02014b50],
        [4, 0],
        [2, 0],
        [2, method],
        [4, 0],
        [4, 0],
        [4, size],
        [4, size],
        [2, name.length],
        [2, sizes.length],
        [2, 0],
        [8, 0],
      ),
      fields([4, wide ? unknown : offset]),
      ascii(name),
      sizes,
    );
  }
  const start = at;
  for (const part of directory) add(part);
  const length = at - start;
  const count = Object.keys(files).length;
  const record = at;
  if (wide) {
    add(fields([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [8, 0], [8, count], [8, count], [8, length], [8, start]));
    add(fields([4, 0x07064b50], [4, 0], [8, record], [4, 1]));
  }
  const [shortCount, shortLength, shortStart] = wide ? [0xffff, unknown, unknown] : [count, length, start];
  add(fields([4, 0x06054b50], [4, 0], [2, shortCount], [2, shortCount], [4, shortLength], [4, shortStart], [2, comment.length]));
  add(ascii(comment));
  return concat(parts);
}

/** A pickle of opcodes: numbers are bytes, texts ASCII. Protocol 2; STOP is added. */
export const pickle = (...opcodes: (number | string | Uint8Array)[]): Uint8Array =>
  concat([
    Uint8Array.of(0x80, 2),
    ...opcodes.map((code) => (typeof code === "number" ? Uint8Array.of(code) : typeof code === "string" ? ascii(code) : code)),
    ascii("."),
  ]);

/** Opcodes that push a value. */
export const text = (value: string): Uint8Array => concat([ascii("X"), fields([4, ascii(value).length]), ascii(value)]);
export const int = (value: number): Uint8Array => concat([ascii("J"), new Uint8Array(Int32Array.of(value).buffer)]);
export const tuple = (...items: Uint8Array[]): Uint8Array => concat([ascii("("), ...items, ascii("t")]);
export const global = (module: string, name: string): Uint8Array => ascii(`c${module}\n${name}\n`);
export const call = (callable: Uint8Array, ...args: Uint8Array[]): Uint8Array => concat([callable, tuple(...args), ascii("R")]);
export const storage = (type: string, key: string, length: number, device = "cpu"): Uint8Array =>
  concat([tuple(text("storage"), global("torch", type), text(key), text(device), int(length)), ascii("Q")]);
export const ints = (values: readonly number[]): Uint8Array => tuple(...values.map(int));

/** A tensor as `torch.save` pickles it. */
export const tensor = (from: Uint8Array, offset: number, shape: readonly number[], strides: readonly number[]): Uint8Array =>
  call(
    global("torch._utils", "_rebuild_tensor_v2"),
    from,
    int(offset),
    ints(shape),
    ints(strides),
    Uint8Array.of(0x89),
    call(global("collections", "OrderedDict")),
  );

/** A dictionary. */
export const dictionary = (items: Record<string, Uint8Array>): Uint8Array =>
  concat([ascii("}("), ...Object.entries(items).flatMap(([key, value]) => [text(key), value]), ascii("u")]);

/** A whole file. */
export const torchFile = (
  value: Uint8Array,
  storages: Record<string, Uint8Array> = {},
  options: ZipOptions & { byteOrder?: string } = {},
): Uint8Array =>
  zip(
    {
      "archive/data.pkl": pickle(value),
      "archive/byteorder": ascii(options.byteOrder ?? "little"),
      ...Object.fromEntries(Object.entries(storages).map(([key, bytes]) => [`archive/data/${key}`, bytes])),
    },
    options,
  );

export const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
