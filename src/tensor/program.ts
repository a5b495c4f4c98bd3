/**
 * The traced program: values with a fixed shape and type, and the operations between them. Tracing a function only builds this graph;
 * nothing is computed until tensor/execution.ts compiles it. A node is immutable and knows its own gradient rule.
 */

export type DType = "float32" | "int32" | "int64" | "bool";
export type Shape = readonly number[];
export type Data = Float32Array | Int32Array | BigInt64Array | Uint8Array;

export interface Spec {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** ONNX attribute values, tagged because the wire format tells 1 from 1.0. */
export type Attribute = { int: number } | { float: number } | { ints: readonly number[] } | { text: string };

/**
 * The gradient rule of a node: adjoints of its outputs (undefined where nothing depends on one) → adjoints of its inputs (undefined where
 * an input is not differentiable), as ordinary traced operations.
 */
export type GradientRule = (adjoints: readonly (Tensor | undefined)[]) => readonly (Tensor | undefined)[];

export interface Node {
  /** The ONNX operator, or "Input", "Constant", "Alias" (see withGradient), "ScatterRows" (see operations/select.ts). */
  readonly op: string;
  /** "" for standard ONNX, "com.microsoft" for the runtime's own operators. */
  readonly domain: string;
  readonly inputs: readonly Tensor[];
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly outputs: readonly Spec[];
  readonly gradient?: GradientRule | undefined;
  /** For "Input". */
  readonly name?: string;
  /** For "Constant". */
  readonly data?: Data;
}

/** One output of a node: a value of the traced program. */
export class Tensor {
  readonly node: Node;
  readonly index: number;
  constructor(node: Node, index: number) {
    this.node = node;
    this.index = index;
  }
  get shape(): Shape {
    return this.node.outputs[this.index]!.shape;
  }
  get dtype(): DType {
    return this.node.outputs[this.index]!.dtype;
  }
  get rank(): number {
    return this.shape.length;
  }
}

export interface Program {
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly outputs: Readonly<Record<string, Tensor>>;
}

export const sizeOf = (shape: Shape): number => shape.reduce((product, extent) => product * extent, 1);
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((extent, i) => extent === b[i]);
export const show = (shape: Shape): string => `[${shape.join(", ")}]`;

/** An error of tracing. Its message begins with the operation and ends with the offending shapes or types. */
export class TraceError extends Error {
  override readonly name = "TraceError";
}

/** Traces `body` at fixed shapes: `trace({ x: { dtype: "float32", shape: [2, 3] } }, ({ x }) => ({ y: exp(x) }))`. */
export function trace<I extends Record<string, Spec>>(
  signature: I,
  body: (inputs: { [K in keyof I]: Tensor }) => Record<string, Tensor>,
): Program {
  const inputs = Object.fromEntries(Object.entries(signature).map(([name, spec]) => [name, input(name, spec)])) as {
    [K in keyof I]: Tensor;
  };
  const outputs = body(inputs);
  const both = Object.keys(outputs).find((name) => name in inputs);
  if (both !== undefined) throw new TraceError(`trace: an input and an output are both named ${both}`);
  return { inputs, outputs };
}

function input(name: string, { dtype, shape }: Spec): Tensor {
  if (shape.some((extent) => !Number.isInteger(extent) || extent < 1)) {
    throw new TraceError(`input ${name}: every extent must be a positive integer, got ${show(shape)}`);
  }
  return new Tensor({ op: "Input", domain: "", inputs: [], attributes: {}, outputs: [{ dtype, shape }], name }, 0);
}

/** A value known when tracing; becomes an initializer of the ONNX model. */
export function constant(data: Data, shape: Shape): Tensor {
  if (data.length !== sizeOf(shape)) throw new TraceError(`constant: ${data.length} values do not fill ${show(shape)}`);
  return new Tensor({ op: "Constant", domain: "", inputs: [], attributes: {}, outputs: [{ dtype: dtypeOf(data), shape }], data }, 0);
}

export const scalar = (value: number): Tensor => constant(Float32Array.of(value), []);
export const zeros = (shape: Shape): Tensor => constant(new Float32Array(sizeOf(shape)), shape);
export const ones = (shape: Shape): Tensor => constant(new Float32Array(sizeOf(shape)).fill(1), shape);
/** A list of integers as ONNX wants them for axes, sizes and shapes. */
export const integers = (values: readonly number[]): Tensor => constant(BigInt64Array.from(values, BigInt), [values.length]);

export function dtypeOf(data: Data): DType {
  if (data instanceof Float32Array) return "float32";
  if (data instanceof Int32Array) return "int32";
  if (data instanceof BigInt64Array) return "int64";
  return "bool";
}

/** Builds a node with one output. */
export function apply(
  op: string,
  inputs: readonly Tensor[],
  output: Spec,
  gradient?: GradientRule,
  attributes: Record<string, Attribute> = {},
  domain = "",
): Tensor {
  return new Tensor({ op, domain, inputs, attributes, outputs: [output], gradient }, 0);
}

/** Builds a node with several outputs. */
export function applyMany(
  op: string,
  inputs: readonly Tensor[],
  outputs: readonly Spec[],
  gradient?: GradientRule,
  attributes: Record<string, Attribute> = {},
  domain = "",
): Tensor[] {
  const node: Node = { op, domain, inputs, attributes, outputs, gradient };
  return outputs.map((_, index) => new Tensor(node, index));
}

/**
 * `value`, whose gradient is `rule` instead of the one its own operations would give: adjoint → adjoints of `inputs`, from which `value` was
 * computed. Costs nothing when it runs.
 */
export function withGradient(value: Tensor, inputs: readonly Tensor[], rule: (adjoint: Tensor) => readonly Tensor[]): Tensor {
  return apply("Alias", [value, ...inputs], { dtype: value.dtype, shape: value.shape }, ([d]) => [undefined, ...rule(d!)]);
}

/** The nodes that `outputs` depend on, every node after its inputs. Iterative: programs are deeper than the call stack likes. */
export function topologicalOrder(outputs: Iterable<Tensor>): Node[] {
  const order: Node[] = [];
  const state = new Map<Node, "open" | "done">();
  const stack: Node[] = [...outputs].map((tensor) => tensor.node).reverse();
  while (stack.length > 0) {
    const node = stack[stack.length - 1]!;
    if (state.get(node) === undefined) {
      state.set(node, "open");
      for (let i = node.inputs.length - 1; i >= 0; i--) {
        const child = node.inputs[i]!.node;
        if (state.get(child) === undefined) stack.push(child);
      }
    } else {
      stack.pop();
      if (state.get(node) === "open") {
        state.set(node, "done");
        order.push(node);
      }
    }
  }
  return order;
}
