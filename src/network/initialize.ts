/** Initial values of parameters, as PyTorch draws them (the law, not the stream of its generator). */
import type { Random } from "../platform/random.ts";
import type { ParameterSpec } from "../tensor/index.ts";

/** Fills a parameter in place. */
export type Initializer = (values: Float32Array, random: Random) => void;

export interface NetworkParameter extends ParameterSpec {
  readonly initialize: Initializer;
}

export const zeros: Initializer = (values) => values.fill(0);
export const ones: Initializer = (values) => values.fill(1);

/** N(0, deviation²). */
export const normal =
  (deviation: number): Initializer =>
  (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = deviation * random.normal();
  };

const uniformWithin =
  (bound: number): Initializer =>
  (values, random) => {
    for (let i = 0; i < values.length; i++) values[i] = (2 * random.uniform() - 1) * bound;
  };

/** kaiming_uniform_(a): U(−b, b), b = √(6/((1+a²)·fanIn)); a = √5 gives b = 1/√fanIn. */
export const kaimingUniform = (fanIn: number, a = Math.sqrt(5)): Initializer => uniformWithin(Math.sqrt(6 / ((1 + a * a) * fanIn)));

/** nn.Linear's default for weight and bias: U(−1/√fanIn, 1/√fanIn). */
export const pytorchLinear = (fanIn: number): Initializer => uniformWithin(1 / Math.sqrt(fanIn));
