/** Traced programs: see program.ts (what one is), operations/ (what it is made of), gradient.ts, execution.ts. */
export * from "./operations/elementwise.ts";
export * from "./operations/matrix.ts";
export * from "./operations/neural.ts";
export * from "./operations/reduce.ts";
export * from "./operations/select.ts";
export * from "./operations/shape.ts";
export {
  constant,
  ones,
  scalar,
  sizeOf,
  trace,
  TraceError,
  withGradient,
  zeros,
  type Data,
  type DType,
  type Program,
  type Shape,
  type Spec,
  type Tensor,
} from "./program.ts";
export { gradient } from "./gradient.ts";
export { simplify } from "./simplify.ts";
export { toOnnx } from "./onnx/builder.ts";
export { checkDevice, compile, type CompileOptions, type Device, type Executable, type Feeds } from "./execution.ts";
export { inputsOf, Layout, type ParameterSpec, type ParameterView } from "./parameters.ts";
