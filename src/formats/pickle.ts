/**
 * A pickle reader that runs nothing: the opcodes that `torch.save` writes (protocols 2 to 5), over plain values. What a global means is the caller's
 * list of {@link PickleGlobal}s; a name that is not on it is refused by name. Opcodes as in Python's pickletools.py.
 */
import { UserError } from "../platform/errors.ts";
import { decodeUtf8 } from "../platform/utf8.ts";

/**
 * A value of a pickle: `None` is null, `bytes` a Uint8Array, tuples and lists are arrays, dictionaries are Maps. Integers beyond 2^53 are bigints.
 * What a global or a persistent id makes is an object of the caller's.
 */
export type PickleValue = null | boolean | number | bigint | string | object;

/** A name that a pickle may use: what calling it with arguments gives. It is data to the reader, never code of the file's. */
export interface PickleGlobal {
  readonly global: string;
  call(args: readonly PickleValue[]): PickleValue;
}

export interface PickleContext {
  /** What error messages call the pickle. */
  readonly name: string;
  /** The allowed global `module.name`, or undefined. */
  global(name: string): PickleGlobal | undefined;
  /** The object that a persistent id stands for. */
  persistent(id: PickleValue): PickleValue;
}

/** An object that takes a state (BUILD), as NumPy's types do. */
interface Buildable {
  build(state: PickleValue): void;
}

const isBuildable = (value: PickleValue): value is Buildable =>
  value instanceof Object && "build" in value && typeof value.build === "function";
const isGlobal = (value: PickleValue): value is PickleGlobal => value instanceof Object && "global" in value && "call" in value;

/** Reads one pickle. Whatever is wrong with it is a UserError. */
export function unpickle(bytes: Uint8Array, context: PickleContext): PickleValue {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const memo = new Map<number, PickleValue>();
  const marks: PickleValue[][] = []; // the stacks below each open MARK
  let stack: PickleValue[] = [];
  let at = 0;

  const bad = (what: string): UserError => new UserError(`${context.name} is damaged or not supported: ${what} (byte ${at} of its pickle)`);
  /** The position of the next n bytes, which are then passed. */
  const take = (n: number): number => {
    if (!(at + n <= bytes.length)) throw bad("it ends in the middle");
    at += n;
    return at - n;
  };
  const uint8 = (): number => view.getUint8(take(1));
  const uint16 = (): number => view.getUint16(take(2), true);
  const int32 = (): number => view.getInt32(take(4), true);
  const uint32 = (): number => view.getUint32(take(4), true);
  const uint64 = (): number => Number(view.getBigUint64(take(8), true));
  const raw = (length: number): Uint8Array => {
    const from = take(length);
    return bytes.slice(from, from + length);
  };
  const text = (length: number): string => {
    const decoded = decodeUtf8(raw(length));
    if (decoded === undefined) throw bad("a text is not UTF-8");
    return decoded;
  };
  const line = (): string => {
    const end = bytes.indexOf(0x0a, at);
    if (end < 0) throw bad("it ends in the middle");
    const result = text(end - at);
    at = end + 1;
    return result;
  };
  /** A two's complement little-endian integer of any length. */
  const long = (length: number): number | bigint => {
    let value = 0n;
    for (const byte of raw(length).reverse()) value = (value << 8n) | BigInt(byte);
    value = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  };
  const push = (value: PickleValue): number => stack.push(value);
  const pop = (): PickleValue => {
    const value = stack.pop();
    if (value === undefined) throw bad("its stack is empty");
    return value;
  };
  const popMany = (n: number): PickleValue[] => {
    if (stack.length < n) throw bad("its stack is empty");
    return stack.splice(stack.length - n);
  };
  const popMark = (): PickleValue[] => {
    const items = stack;
    const below = marks.pop();
    if (below === undefined) throw bad("it has no mark");
    stack = below;
    return items;
  };
  const top = (): PickleValue => {
    const value = stack.at(-1);
    if (value === undefined) throw bad("its stack is empty");
    return value;
  };
  const append = (items: readonly PickleValue[]): void => {
    const list = top();
    if (!Array.isArray(list)) throw bad("it appends to something that is not a list");
    for (const item of items) list.push(item);
  };
  const setItems = (items: readonly PickleValue[]): void => {
    const map = top();
    if (!(map instanceof Map) || items.length % 2 !== 0) throw bad("it sets items of something that is not a dictionary");
    for (let i = 0; i < items.length; i += 2) map.set(items[i], items[i + 1]);
  };
  const fetch = (key: number): void => {
    const value = memo.get(key);
    if (value === undefined) throw bad("it refers to something that it has not stored");
    push(value);
  };
  const findGlobal = (module: PickleValue, name: PickleValue): void => {
    if (typeof module !== "string" || typeof name !== "string") throw bad("a global has no name");
    const found = context.global(`${module}.${name}`);
    if (found === undefined) {
      throw new UserError(
        `${context.name} asks for the Python object ${JSON.stringify(`${module}.${name}`).slice(1, -1)}, which is not one that weights need: refused`,
      );
    }
    push(found);
  };
  const reduce = (): void => {
    const [callable, args] = popMany(2) as [PickleValue, PickleValue];
    if (!isGlobal(callable) || !Array.isArray(args)) throw bad("it calls something that is not a function");
    push(callable.call(args));
  };
  /** Sets attributes. Those that occur say nothing about the value: OrderedDict's `_metadata`, and what a {@link Buildable} checks itself. */
  const build = (): void => {
    const state = pop();
    const built = top();
    if (isBuildable(built)) built.build(state);
    else if (!(built instanceof Map)) throw bad("it sets attributes of something that has none");
  };

  const operations: Record<number, () => unknown> = {
    0x80: () => {
      if (uint8() > 5) throw bad("its protocol is newer than 5");
    }, // PROTO
    0x95: () => take(8), // FRAME: only a hint for buffering
    0x28: () => {
      marks.push(stack);
      stack = [];
    }, // MARK
    0x30: pop, // POP
    0x4e: () => push(null), // NONE
    0x88: () => push(true), // NEWTRUE
    0x89: () => push(false), // NEWFALSE
    0x4a: () => push(int32()), // BININT
    0x4b: () => push(uint8()), // BININT1
    0x4d: () => push(uint16()), // BININT2
    0x8a: () => push(long(uint8())), // LONG1
    0x47: () => push(view.getFloat64(take(8), false)), // BINFLOAT, big-endian
    0x58: () => push(text(uint32())), // BINUNICODE
    0x8c: () => push(text(uint8())), // SHORT_BINUNICODE
    0x8d: () => push(text(uint64())), // BINUNICODE8
    0x55: () => push(text(uint8())), // SHORT_BINSTRING, of Python 2: ASCII here
    0x42: () => push(raw(uint32())), // BINBYTES
    0x43: () => push(raw(uint8())), // SHORT_BINBYTES
    0x8e: () => push(raw(uint64())), // BINBYTES8
    0x5d: () => push([]), // EMPTY_LIST
    0x29: () => push([]), // EMPTY_TUPLE
    0x7d: () => push(new Map()), // EMPTY_DICT
    0x74: () => push(popMark()), // TUPLE
    0x85: () => push(popMany(1)), // TUPLE1
    0x86: () => push(popMany(2)), // TUPLE2
    0x87: () => push(popMany(3)), // TUPLE3
    0x61: () => append([pop()]), // APPEND
    0x65: () => append(popMark()), // APPENDS
    0x73: () => setItems(popMany(2)), // SETITEM
    0x75: () => setItems(popMark()), // SETITEMS
    0x68: () => fetch(uint8()), // BINGET
    0x6a: () => fetch(uint32()), // LONG_BINGET
    0x71: () => memo.set(uint8(), top()), // BINPUT
    0x72: () => memo.set(uint32(), top()), // LONG_BINPUT
    0x94: () => memo.set(memo.size, top()), // MEMOIZE
    0x63: () => findGlobal(line(), line()), // GLOBAL
    0x93: () => findGlobal(...(popMany(2) as [PickleValue, PickleValue])), // STACK_GLOBAL
    0x52: reduce, // REDUCE
    0x81: reduce, // NEWOBJ: a class called with arguments, all the same to us
    0x62: build, // BUILD
    0x51: () => push(context.persistent(pop())), // BINPERSID
  };

  for (;;) {
    const code = uint8();
    if (code === 0x2e) return pop(); // STOP
    const operation = operations[code];
    if (operation === undefined) throw bad(`the opcode 0x${code.toString(16).padStart(2, "0")} is not one that weights need`);
    operation();
  }
}
