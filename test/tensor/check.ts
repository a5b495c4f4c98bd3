/**
 * Compares traced operations with float64 references: values directly, gradients with central finite differences of the reference. Many
 * small cases share one program, because creating a session of the runtime is what takes time.
 */
import fc from "fast-check";
import { add, compile, gradient, mul, neg, sum, trace, type Data, type Device, type Spec, type Tensor } from "../../src/tensor/index.ts";
import { make, type Nd, uniform } from "./reference.ts";

/**
 * Difference allowed, relative to max(1, largest magnitude of the tensor): values here are O(1), a float32 rounds at 6e-8, sums have fewer
 * than 300 terms, and no case divides by less than 0.3. The finite differences are better than 1e-8: with step 1e-5 in float64 their
 * truncation is of order 1e-10 and their rounding 1e-16·|loss|/1e-5 ≤ 1e-9.
 */
export const TOLERANCE = 2e-5;
const STEP = 1e-5;

export const devices: Device[] = ["cpu", "wasm"];

export interface Case {
  /** What an error calls it: the operation and its shapes. */
  readonly label: string;
  /** Differentiated; float32 values. */
  readonly inputs: Readonly<Record<string, Nd>>;
  /** Not differentiated: indices, conditions. */
  readonly fixed?: Readonly<Record<string, Spec & { readonly data: Data }>>;
  traced(inputs: Record<string, Tensor>): Tensor | Tensor[];
  reference(inputs: Record<string, Nd>): Nd | Nd[];
}

/** Runs a few programs of a few cases each; a failure shrinks to one small case. */
export const holds = (device: Device, cases: fc.Arbitrary<Case>): Promise<void> =>
  fc.assert(
    fc.asyncProperty(fc.array(cases, { minLength: 1, maxLength: 6, size: "max" }), (list) => verify(list, device)),
    { numRuns: 3 },
  );

/** Throws with the case's label if a value or a gradient is off. */
export async function verify(cases: readonly Case[], device: Device): Promise<void> {
  const signature: Record<string, Spec> = {};
  const feeds: Record<string, Data> = {};
  const feed = (name: string, { dtype, shape }: Spec, data: Data): void => {
    signature[name] = { dtype, shape };
    feeds[name] = data;
  };
  const float = (name: string, { shape, data }: Nd): void => feed(name, { dtype: "float32", shape }, Float32Array.from(data));
  const expected = cases.map((test) => list(test.reference({ ...test.inputs })));
  cases.forEach(({ inputs, fixed = {} }, c) => {
    for (const [name, value] of Object.entries(inputs)) float(`${c}.${name}`, value);
    for (const [name, value] of Object.entries(fixed)) feed(`${c}.${name}`, value, value.data);
    expected[c]!.forEach(({ shape }, k) => float(`${c}.weight${k}`, weights(shape)));
  });
  const program = trace(signature, (all: Record<string, Tensor>) => {
    const outputs: Record<string, Tensor> = {};
    cases.forEach(({ label, inputs, fixed, traced }, c) => {
      const own = Object.fromEntries([...Object.keys(inputs), ...Object.keys(fixed ?? {})].map((name) => [name, all[`${c}.${name}`]!]));
      const values = list(traced(own));
      values.forEach((value, k) => {
        const { shape } = expected[c]![k]!;
        if (value.shape.join() !== shape.join())
          throw new Error(`${label}: value ${k} has shape [${value.shape.join()}], not [${shape.join()}]`);
        outputs[`${c}:value ${k}`] = value;
      });
      const loss = values.map((value, k) => sum(mul(value, all[`${c}.weight${k}`]!))).reduce((a, b) => add(a, b));
      const names = Object.keys(inputs);
      gradient(
        loss,
        names.map((name) => own[name]!),
      ).forEach((d, i) => {
        if (d.shape.join() !== inputs[names[i]!]!.shape.join())
          throw new Error(`${label}: the gradient of ${names[i]} has shape [${d.shape.join()}]`);
        // Once as an output of the program and once as a value inside it: the gradient of a gather takes two roads.
        outputs[`${c}:gradient ${names[i]}`] = d;
        outputs[`${c}:inner ${names[i]}`] = neg(d);
      });
    });
    return outputs;
  });
  const executable = await compile(program, { device });
  const results = await executable.run(feeds);
  await executable.dispose();
  cases.forEach((test, c) => {
    expected[c]!.forEach(({ data }, k) => close(`${test.label}: value ${k}`, results[`${c}:value ${k}`]!, data));
    for (const name of Object.keys(test.inputs)) {
      const slope = finiteDifferences(test, name);
      close(`${test.label}: gradient of ${name}`, results[`${c}:gradient ${name}`]!, slope);
      close(
        `${test.label}: gradient of ${name} as an inner value`,
        results[`${c}:inner ${name}`]!,
        slope.map((x) => -x),
      );
    }
  });
}

function close(label: string, actual: Data, expected: Float64Array): void {
  if (actual.length !== expected.length) throw new Error(`${label}: ${actual.length} numbers, not ${expected.length}`);
  const scale = expected.reduce((top, x) => Math.max(top, Math.abs(x)), 1);
  expected.forEach((truth, i) => {
    if (!(Math.abs(Number(actual[i]) - truth) <= TOLERANCE * scale))
      throw new Error(`${label}, entry ${i}: ${String(actual[i])}, the truth is ${truth}`);
  });
}

const list = <T>(x: T | T[]): T[] => (Array.isArray(x) ? x : [x]);

/** Weights of the outputs in the loss whose gradient is taken: different for every entry, so that no error cancels. */
function weights(shape: readonly number[]): Nd {
  let i = 0;
  return make(shape, () => Math.fround(Math.cos(1.7 * i++ + 0.4)));
}

function finiteDifferences(test: Case, name: string): Float64Array {
  const input = test.inputs[name]!;
  const lossAt = (i: number, step: number): number => {
    const data = input.data.slice();
    data[i]! += step;
    return list(test.reference({ ...test.inputs, [name]: { shape: input.shape, data } })).reduce((loss, value) => {
      const w = weights(value.shape).data;
      return loss + value.data.reduce((part, x, k) => part + x * w[k]!, 0);
    }, 0);
  };
  return input.data.map((_, i) => (lossAt(i, STEP) - lossAt(i, -STEP)) / (2 * STEP));
}

export const show = (...shapes: (readonly number[])[]): string => shapes.map((shape) => `[${shape.join(", ")}]`).join(" ");
export const seeds = fc.nat(1e6);
export const extents = fc.integer({ min: 1, max: 4 });
/** Shapes of `least` to `most` axes. */
export const shapes = (least: number, most: number): fc.Arbitrary<number[]> =>
  fc.array(extents, { minLength: least, maxLength: most, size: "max" });

/** `count` shapes that broadcast together, in every way: axes of extent 1, axes left out, scalars. */
export const broadcasting = (count: number): fc.Arbitrary<number[][]> =>
  fc
    .tuple(
      shapes(0, 3),
      fc.array(fc.tuple(fc.nat(3), fc.array(fc.boolean(), { minLength: 3, maxLength: 3 })), { minLength: count, maxLength: count }),
    )
    .map(([shape, cuts]) => cuts.map(([drop, single]) => shape.map((extent, i) => (single[i] ? 1 : extent)).slice(drop)));

/** Boolean values, each true half of the time. */
export const flags = (shape: readonly number[], seed: number): Spec & { readonly data: Uint8Array } => ({
  dtype: "bool",
  shape,
  data: Uint8Array.from(uniform(shape, seed).data, (x) => Number(x > 0)),
});

/** Indices below `limit`, repeats included. */
export const indices = (shape: readonly number[], limit: number, seed: number): Spec & { readonly data: Int32Array } => ({
  dtype: "int32",
  shape,
  data: Int32Array.from(uniform(shape, seed, 0, limit).data, (x) => Math.min(limit - 1, Math.floor(x))),
});
