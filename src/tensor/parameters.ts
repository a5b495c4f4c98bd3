/**
 * Parameters as one flat buffer with named views. Gradients, moments and averages are flat buffers of the same layout, so that clipping is
 * one norm and a checkpoint is a few buffers.
 */
import { sizeOf, type Shape, type Spec } from "./program.ts";

export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
}

export interface ParameterView extends ParameterSpec {
  readonly offset: number;
  readonly size: number;
}

/** Inputs of a program for parameters, each name with `prefix` before it. */
export const inputsOf = (parameters: readonly ParameterSpec[], prefix = ""): Record<string, Spec> =>
  Object.fromEntries(parameters.map(({ name, shape }) => [prefix + name, { dtype: "float32", shape }]));

/** Where each named parameter lies in a flat buffer, in the given order. */
export class Layout {
  readonly views: readonly ParameterView[];
  readonly size: number;
  readonly #byName: ReadonlyMap<string, ParameterView>;

  constructor(specs: readonly ParameterSpec[]) {
    let offset = 0;
    this.views = specs.map(({ name, shape }) => {
      const size = sizeOf(shape);
      const view = { name, shape, offset, size };
      offset += size;
      return view;
    });
    this.size = offset;
    this.#byName = new Map(this.views.map((view) => [view.name, view]));
    if (this.#byName.size !== specs.length) throw new Error("Layout: two parameters share a name");
  }

  get(name: string): ParameterView {
    const view = this.#byName.get(name);
    if (!view) throw new Error(`Layout: no parameter ${name}`);
    return view;
  }

  has(name: string): boolean {
    return this.#byName.has(name);
  }

  /** The parameter's part of a flat buffer (no copy). */
  slice(buffer: Float32Array, name: string): Float32Array {
    const { offset, size } = this.get(name);
    return buffer.subarray(offset, offset + size);
  }

  /** Every parameter's part of a flat buffer, by name, each name with `prefix` before it. */
  slices(buffer: Float32Array, prefix = ""): Record<string, Float32Array> {
    if (buffer.length !== this.size) throw new Error(`Layout: a buffer of ${buffer.length} is not one of ${this.size}`);
    return Object.fromEntries(this.views.map(({ name, offset, size }) => [prefix + name, buffer.subarray(offset, offset + size)]));
  }

  allocate(): Float32Array {
    return new Float32Array(this.size);
  }
}
