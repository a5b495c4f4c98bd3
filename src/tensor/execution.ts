/** Runs traced programs on ONNX Runtime. The only file that imports the runtime. */
import type { InferenceSession, Tensor as RuntimeTensor } from "onnxruntime-common";
import { inBrowser } from "#platform";
import { UserError, messageOf } from "../platform/errors.ts";
import { toOnnx } from "./onnx/builder.ts";
import { sizeOf, type Data, type DType, type Node, type Program, type Tensor } from "./program.ts";

/**
 * `cpu`: the native runtime; in a browser the same as `wasm`. `wasm`: the same programs on the runtime's WebAssembly build. `webgpu`: on the graphics
 * processor, in a browser that has WebGPU.
 */
export type Device = "cpu" | "wasm" | "webgpu";

export interface CompileOptions {
  readonly device?: Device;
  /** Threads within an operation. In a page that is not cross-origin isolated WebAssembly has one; a page's first program decides for all. */
  readonly threads?: number;
  /** Let threads spin between the operations of a run: fastest for training, wasteful in a server. */
  readonly spinning?: boolean;
  /** Keep the memory of a run for the next one: for a program that runs again and again. Many programs would each keep the most they ever needed. */
  readonly keepMemory?: boolean;
  /**
   * Count numbers below 2⁻¹²⁶ as 0, in the native runtime. The gradients of a trained network are full of them (an attention weight of 1e-30 times a gradient of 1e-9), and
   * x86 takes a hundred times as long for each. The runtime does so in the threads that it makes, and in the one that runs a process's first session if that one asks for it,
   * from there on for JavaScript too: for processes that train, not for a program that uses this library.
   */
  readonly flushDenormals?: boolean;
  /** File prefix for the runtime's own profile (native only). */
  readonly profile?: string;
  /**
   * Inputs that are not fed to run(): their values stay as they are while the executable lives. WebAssembly and WebGPU compute in a memory of their
   * own, where these then lie; the native runtime reads them in place.
   */
  readonly constants?: Feeds | undefined;
  /** In a browser: the address of the folder with the runtime's `.mjs` and `.wasm` files; left out, where the bundler put them. */
  readonly runtimePath?: string | undefined;
}

export type Feeds = Readonly<Record<string, Data>>;

/** A compiled program. */
export interface Executable {
  /**
   * Runs once. `into` names buffers that outputs are written to (their sizes must fit); the other outputs are allocated. Buffers are read
   * and written in place, views of larger ones included.
   */
  run(feeds: Feeds, into?: Readonly<Record<string, Data>>): Promise<Record<string, Data>>;
  /** Bytes of constants that it keeps a copy of. */
  readonly copied: number;
  dispose(): Promise<void>;
}

type Runtime = typeof import("onnxruntime-common");

/** Each a build of its own, downloaded or loaded when it is first asked for. */
const builds = {
  cpu: () => import("#onnxruntime"),
  // @ts-expect-error -- onnxruntime-web's types are ambient, which NodeNext does not take for a module's; they are onnxruntime-common's.
  wasm: () => import("#onnxruntime-wasm"),
  // @ts-expect-error -- the same
  webgpu: () => import("#onnxruntime-webgpu"),
} as unknown as Record<Device, () => Promise<Runtime>>;
const runtimes = new Map<Device, Promise<Runtime>>();

/** Loads the runtime of a device once. */
function loadRuntime(device: Device, runtimePath?: string): Promise<Runtime> {
  let loading = runtimes.get(device);
  if (!loading) {
    loading = builds[device]().then((runtime) => {
      if (runtimePath !== undefined) runtime.env.wasm.wasmPaths = new URL(runtimePath.replace(/\/*$/, "/"), globalThis.location?.href).href;
      return runtime;
    });
    runtimes.set(device, loading);
    loading.catch(() => runtimes.delete(device)); // the next call may have a network
  }
  return loading;
}

/** The runtime of a device, and the device that it is: where no native build exists, `cpu` is WebAssembly, outside browsers with one line of notice. */
async function runtimeOf(device: Device, runtimePath?: string): Promise<{ runtime: Runtime; device: Device }> {
  await checkDevice(device);
  if (device === "cpu" && inBrowser) device = "wasm";
  if (device !== "cpu") return { runtime: await loadRuntime(device, runtimePath), device };
  try {
    return { runtime: await loadRuntime("cpu"), device };
  } catch (error) {
    const runtime = await loadRuntime("wasm").catch(() => {
      throw new UserError(`device cpu: ONNX Runtime does not load (${messageOf(error)}); reinstall with npm ci`);
    });
    noticeFallback();
    return { runtime, device: "wasm" };
  }
}

/** UserError for a device that is none, or that this machine does not have. */
export async function checkDevice(device: Device): Promise<void> {
  if (!Object.hasOwn(builds, device)) throw new UserError(`device ${String(device)}: not known; "cpu", "wasm" and "webgpu" are`);
  if (device !== "webgpu") return;
  if (!inBrowser) throw new UserError('device webgpu: only browsers have it; "cpu" or "wasm" would do');
  const { gpu } = navigator as unknown as { gpu?: { requestAdapter(): Promise<object | null> } };
  if (!(await gpu?.requestAdapter())) throw new UserError('device webgpu: this browser offers no graphics adapter; "wasm" would do');
}

let noticed = false;
function noticeFallback(): void {
  if (!noticed) console.warn("sedd: no native ONNX Runtime for this platform; using its WebAssembly build, several times slower");
  noticed = true;
}

let lastTurn: Promise<unknown> = Promise.resolve();
/** One after the other: the WebGPU build suspends in the midst of a call, and a second one in that time would never end. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = lastTurn.then(work);
  lastTurn = turn.catch(() => undefined);
  return turn;
}
const atOnce = <T>(work: () => Promise<T>): Promise<T> => work();

/** Compiles a program for a device. Create once and keep: the runtime's memory grows with every create and release. */
export async function compile(
  program: Program,
  {
    device: wanted = "cpu",
    threads = 1,
    spinning = true,
    keepMemory = true,
    flushDenormals = false,
    profile,
    constants = {},
    runtimePath,
  }: CompileOptions = {},
): Promise<Executable> {
  const { runtime, device } = await runtimeOf(wanted, runtimePath);
  const { program: lowered, finishers } = splitScatteredOutputs(program);
  // The other builds compute in a memory of their own, and never write to a given output.
  const inPlace = device === "cpu";
  // On WebGPU the fused product has no kernel (between two copies it would run on the processor), and log Σ exp overflows.
  const model = toOnnx(lowered, { standard: device === "webgpu", ...(inPlace ? {} : { constants }) });
  if (!inPlace) runtime.env.wasm.numThreads = globalThis.crossOriginIsolated === false ? 1 : threads;
  const call = device === "webgpu" ? inTurn : atOnce;
  // Threads that spin stop at the end of a run: those of the loss would take a core from the optimizer, which comes next.
  const spins = spinning ? { force_spinning_stop: "1" } : { intra_op: { allow_spinning: "0" } };
  const options: InferenceSession.SessionOptions = {
    executionProviders: [device],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    graphOptimizationLevel: "all",
    // One block for a whole run, planned ahead, is memory that is fresh at every run: for a training step, half more memory and no less time.
    enableMemPattern: false,
    enableCpuMemArena: keepMemory,
    logSeverityLevel: 3,
    ...(device === "cpu" ? { extra: { session: { ...spins, ...(flushDenormals ? { set_denormal_as_zero: "1" } : {}) } } } : {}),
    ...(profile ? { enableProfiling: true, profileFilePrefix: profile } : {}),
  };
  const session = await call(() => runtime.InferenceSession.create(model, options));
  const wrap = (dtype: DType, data: Data, shape: readonly number[]): RuntimeTensor =>
    new runtime.Tensor(dtype as "float32", data as Float32Array, shape) as RuntimeTensor;
  const needed = new Set(session.inputNames);

  const copied = inPlace ? [] : Object.keys(program.inputs).flatMap((name) => constants[name] ?? []);
  return {
    copied: copied.reduce((sum, { byteLength }) => sum + byteLength, 0),
    async run(feeds, into = {}) {
      const inputs: Record<string, RuntimeTensor> = {};
      for (const [name, { dtype, shape }] of Object.entries(program.inputs)) {
        const data = constants[name] ?? feeds[name];
        if (!data) throw new Error(`run: no value for the input ${name}`);
        if (data.length !== sizeOf(shape))
          throw new Error(`run: input ${name} has ${data.length} values, the program expects ${shape.join("×")}`);
        if (needed.has(name)) inputs[name] = wrap(dtype, data, shape);
      }
      for (const [name, buffer] of Object.entries(into)) {
        const output = program.outputs[name];
        if (!output) throw new Error(`run: the program has no output ${name}`);
        const size = sizeOf(output.shape);
        if (buffer.length !== size) throw new Error(`run: output ${name} has ${size} values, its buffer ${buffer.length}`);
      }
      const fetches: Record<string, RuntimeTensor | null> = {};
      for (const [name, { dtype, shape }] of Object.entries(lowered.outputs)) {
        fetches[name] = into[name] && inPlace ? wrap(dtype, into[name], shape) : null;
      }
      const results = await call(() => session.run(inputs, fetches));
      const take = (name: string): Data => {
        const [data, buffer] = [results[name]!.data as Data, into[name]];
        if (buffer && !inPlace) buffer.set(data as never);
        return buffer ?? data;
      };
      const outputs: Record<string, Data> = {};
      for (const [name, { shape }] of Object.entries(program.outputs)) {
        const finisher = finishers.get(name);
        if (!finisher) {
          outputs[name] = take(name);
          continue;
        }
        const target = (finisher.direct ? take(name) : (into[name] ?? new Float32Array(sizeOf(shape)))) as Float32Array;
        if (!finisher.direct) target.fill(0);
        addRows(target, results[finisher.rows]!.data as Float32Array, results[finisher.indices]!.data as Int32Array, shape[1]!);
        outputs[name] = target;
      }
      return outputs;
    },
    dispose: () => call(() => session.release()),
  };
}

interface Finisher {
  readonly rows: string;
  readonly indices: string;
  /** The program itself writes the rest of the sum under the output's own name. */
  readonly direct: boolean;
}

/**
 * An output that is ScatterRows(…), or something plus ScatterRows(…), becomes the outputs `rows` and `indices` (and the rest): run() adds
 * the rows. See operations/select.ts.
 */
function splitScatteredOutputs(program: Program): { program: Program; finishers: Map<string, Finisher> } {
  const finishers = new Map<string, Finisher>();
  const outputs: Record<string, Tensor> = {};
  const isScatter = (node: Node): boolean => node.op === "ScatterRows";
  for (const [name, tensor] of Object.entries(program.outputs)) {
    const { node } = tensor;
    const side = node.op === "Add" ? node.inputs.findIndex((input) => isScatter(input.node)) : -1;
    const scatter = isScatter(node) ? node : node.inputs[side]?.node;
    if (!scatter || (scatter !== node && node.inputs.some((input) => input.shape.join() !== tensor.shape.join()))) {
      outputs[name] = tensor;
      continue;
    }
    const finisher = { rows: `${name}::rows`, indices: `${name}::indices`, direct: scatter !== node };
    finishers.set(name, finisher);
    outputs[finisher.indices] = scatter.inputs[0]!;
    outputs[finisher.rows] = scatter.inputs[1]!;
    if (finisher.direct) outputs[name] = node.inputs[1 - side]!;
  }
  return { program: { inputs: program.inputs, outputs }, finishers };
}

function addRows(target: Float32Array, rows: Float32Array, indices: Int32Array, width: number): void {
  for (let i = 0; i < indices.length; i++) {
    const [to, from] = [indices[i]! * width, i * width];
    for (let j = 0; j < width; j++) target[to + j]! += rows[from + j]!;
  }
}
