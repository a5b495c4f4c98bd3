/**
 * The optimizers' passes four numbers at a time: a WebAssembly module of four small loops, assembled here, over buffers that lie in its memory. Compilers of
 * JavaScript do not vectorise, and a pass over all parameters should cost what reading and writing them costs. Single precision throughout, as in PyTorch;
 * passes.ts has the same loops in JavaScript, and a test compares the two. What is left of a buffer after its fours, JavaScript does.
 *
 * Encoding: WebAssembly core specification 2.0, chapter 5 (binary format), with the vector instructions of section 5.4.8.
 */
import { plainPasses, type AdamStep, type Passes } from "./passes.ts";

const PAGE = 65_536;
const LANES = 4;
/** What a 32-bit memory can hold, less one page: no buffer ends where addresses wrap to 0. */
const MOST_PAGES = 65_535;

export interface Arena {
  readonly buffers: Float32Array[];
  readonly passes: Passes;
}

/** `count` buffers of `size` numbers side by side in one memory, and the passes over them; undefined where such a memory cannot be had. */
export function arena(count: number, size: number): Arena | undefined {
  const stride = Math.ceil((size * 4) / 64) * 64; // cache lines
  const pages = Math.ceil((count * stride) / PAGE);
  if (pages > MOST_PAGES) return undefined;
  try {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(assembled()), { sedd: { memory } });
    return {
      buffers: Array.from({ length: count }, (_, i) => new Float32Array(memory.buffer, i * stride, size)),
      passes: simdPasses(exports as unknown as Loops),
    };
  } catch (error) {
    if (error instanceof RangeError) return undefined; // no room
    throw error;
  }
}

type Loop = (...pointersAndNumbers: number[]) => number;
interface Loops {
  readonly sumOfSquares: Loop;
  readonly adamw: Loop;
  readonly nesterov: Loop;
  readonly descend: Loop;
}

/** Each pass: the fours in WebAssembly, the rest in JavaScript. Buffers must lie in the module's memory. */
function simdPasses(loops: Loops): Passes {
  /** Runs a loop over whole fours: where each buffer begins, where the first one ends. Returns what is left of each buffer. */
  const fours = (loop: Loop, buffers: readonly Float32Array[], numbers: readonly number[]): { rest: Float32Array[]; result: number } => {
    const whole = buffers[0]!.length - (buffers[0]!.length % LANES);
    const starts = buffers.map(({ byteOffset }) => byteOffset);
    const result = whole > 0 ? loop(...starts, starts[0]! + 4 * whole, ...numbers) : 0;
    return { rest: buffers.map((buffer) => buffer.subarray(whole)), result };
  };
  return {
    sumOfSquares(x) {
      const { rest, result } = fours(loops.sumOfSquares, [x], []);
      return result + plainPasses.sumOfSquares(rest[0]!);
    },
    adamw(p, g, m, v, ema, step: AdamStep) {
      const { scale, beta1, beta2, size, correction, eps, keep, average } = step;
      const numbers = [scale, beta1, 1 - beta1, beta2, 1 - beta2, size, correction, eps, keep, average];
      const { rest } = fours(loops.adamw, [p, g, m, v, ema], numbers);
      plainPasses.adamw(rest[0]!, rest[1]!, rest[2]!, rest[3]!, rest[4]!, step);
    },
    nesterov(g, m, scale, momentum) {
      const { rest } = fours(loops.nesterov, [g, m], [scale, momentum]);
      plainPasses.nesterov(rest[0]!, rest[1]!, scale, momentum);
    },
    descend(p, direction, ema, rate, keep, average) {
      const { rest } = fours(loops.descend, [p, direction, ema], [rate, keep, average]);
      plainPasses.descend(rest[0]!, rest[1]!, rest[2]!, rate, keep, average);
    },
  };
}

// --- the module ---------------------------------------------------------------------------------------------------------------------------------

type Code = readonly number[];

const [I32, F32, F64, V128] = [0x7f, 0x7d, 0x7c, 0x7b];

/** Unsigned LEB128. */
function leb(value: number): number[] {
  const low = value & 0x7f;
  return value >= 0x80 ? [low | 0x80, ...leb(value >>> 7)] : [low];
}
const vector = (code: number): number[] => [0xfd, ...leb(code)];
const binary =
  (code: number) =>
  (a: Code, b: Code): Code => [...a, ...b, ...vector(code)];
const [add, sub, mul, div] = [binary(0xe4), binary(0xe5), binary(0xe6), binary(0xe7)];
const [addPairs, mulPairs] = [binary(0xf0), binary(0xf2)];
const sqrt = (a: Code): Code => [...a, ...vector(0xe3)];
const get = (local: number): Code => [0x20, ...leb(local)];
const set = (local: number, value: Code): Code => [...value, 0x21, ...leb(local)];

interface Body {
  /** Four numbers of buffer i. */
  load(i: number): Code;
  store(i: number, value: Code): Code;
  /** Two numbers of buffer i, in double precision: the first or the second two. */
  pair(i: number, half: 0 | 1): Code;
  /** Argument k in all lanes. */
  number(k: number): Code;
  /** A vector variable, zero at the beginning. */
  variable(k: number): { readonly get: Code; set(value: Code): Code };
}

/**
 * A function (pointers…, end of the first buffer, numbers…) that runs `body` for every four elements, then leaves `result` (a double) if there is one.
 */
function loop(
  name: keyof Loops,
  { buffers, numbers = 0, variables = 0 }: { buffers: number; numbers?: number; variables?: number },
  body: (b: Body) => Code[],
  result?: (b: Body) => Code,
): { name: string; type: Code; code: Code } {
  const end = buffers;
  const splats = buffers + 1 + numbers; // locals: one vector a number, then the variables
  const address = (i: number): Code => get(i);
  const b: Body = {
    load: (i) => [...address(i), ...vector(0x00), 4, 0],
    store: (i, value) => [...address(i), ...value, ...vector(0x0b), 4, 0],
    pair: (i, half) => [...address(i), ...vector(0x5d), 3, 8 * half, ...vector(0x5f)],
    number: (k) => get(splats + k),
    variable: (k) => ({ get: get(splats + numbers + k), set: (value) => set(splats + numbers + k, value) }),
  };
  const prepare = Array.from({ length: numbers }, (_, k) => set(splats + k, [...get(buffers + 1 + k), ...vector(0x13)])).flat();
  const advance = Array.from({ length: buffers }, (_, i) => set(i, [...address(i), 0x41, 16, 0x6a])).flat();
  const again = [...address(0), ...get(end), 0x49, 0x0d, 0]; // address < end, unsigned
  const code = [
    ...[1, ...leb(numbers + variables), V128],
    ...prepare,
    ...[0x03, 0x40, ...body(b).flat(), ...advance, ...again, 0x0b],
    ...(result?.(b) ?? []),
    0x0b,
  ];
  const parameters = [...new Array<number>(buffers + 1).fill(I32), ...new Array<number>(numbers).fill(F32)];
  return { name, type: [0x60, ...leb(parameters.length), ...parameters, ...(result ? [1, F64] : [0])], code };
}

const descendTo = (b: Body, value: Code, [p, ema]: [number, number], average: Code): Code[] => {
  const next = b.variable(0);
  return [next.set(value), b.store(p, next.get), b.store(ema, add(b.load(ema), mul(average, sub(next.get, b.load(ema)))))];
};

const loops = () => [
  loop(
    "sumOfSquares",
    { buffers: 1, variables: 4 },
    (b) =>
      ([0, 1] as const).flatMap((half) => {
        const [pair, sum] = [b.variable(half), b.variable(2 + half)];
        return [pair.set(b.pair(0, half)), sum.set(addPairs(sum.get, mulPairs(pair.get, pair.get)))];
      }),
    (b) => {
      const sum = b.variable(2);
      const both = sum.set(addPairs(sum.get, b.variable(3).get));
      return [...both, ...sum.get, ...vector(0x21), 0, ...sum.get, ...vector(0x21), 1, 0xa0];
    },
  ),
  loop("adamw", { buffers: 5, numbers: 10, variables: 4 }, (b) => {
    const [p, g, m, v, ema] = [0, 1, 2, 3, 4];
    const [scale, beta1, rest1, beta2, rest2] = [b.number(0), b.number(1), b.number(2), b.number(3), b.number(4)];
    const [size, correction, eps, keep, average] = [b.number(5), b.number(6), b.number(7), b.number(8), b.number(9)];
    const [gradient, first, second] = [b.variable(1), b.variable(2), b.variable(3)];
    return [
      gradient.set(mul(b.load(g), scale)),
      first.set(add(mul(beta1, b.load(m)), mul(rest1, gradient.get))),
      second.set(add(mul(beta2, b.load(v)), mul(rest2, mul(gradient.get, gradient.get)))),
      b.store(m, first.get),
      b.store(v, second.get),
      ...descendTo(b, sub(mul(keep, b.load(p)), div(mul(size, first.get), add(mul(sqrt(second.get), correction), eps))), [p, ema], average),
    ];
  }),
  loop("nesterov", { buffers: 2, numbers: 2, variables: 2 }, (b) => {
    const [g, m] = [0, 1];
    const [gradient, velocity] = [b.variable(0), b.variable(1)];
    return [
      gradient.set(mul(b.load(g), b.number(0))),
      velocity.set(add(mul(b.number(1), b.load(m)), gradient.get)),
      b.store(m, velocity.get),
      b.store(g, add(gradient.get, mul(b.number(1), velocity.get))),
    ];
  }),
  loop("descend", { buffers: 3, numbers: 3, variables: 1 }, (b) =>
    descendTo(b, sub(mul(b.number(1), b.load(0)), mul(b.number(0), b.load(1))), [0, 2], b.number(2)),
  ),
];

const text = (value: string): number[] => [...leb(value.length), ...new TextEncoder().encode(value)];
const list = (items: readonly Code[]): number[] => [...leb(items.length), ...items.flat()];
const section = (id: number, content: readonly number[]): number[] => [id, ...leb(content.length), ...content];

/** The module's bytes. */
function assembled(): Uint8Array<ArrayBuffer> {
  const all = loops();
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, list(all.map(({ type }) => type))),
    ...section(2, list([[...text("sedd"), ...text("memory"), 2, 1, 0, ...leb(MOST_PAGES)]])),
    ...section(3, list(all.map((_, i) => leb(i)))),
    ...section(7, list(all.map(({ name }, i) => [...text(name), 0, ...leb(i)]))),
    ...section(10, list(all.map(({ code }) => [...leb(code.length), ...code]))),
  );
}
