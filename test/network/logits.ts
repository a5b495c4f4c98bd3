/** Runs networks that give logits, as GPT-2's and BERT's tests both do. */
import { expect } from "vitest";
import { readModelFolder } from "../../src/formats/hub.ts";
import type { LogitsNetwork } from "../../src/network/logits-network.ts";
import { publishedNetwork } from "../../src/network/published.ts";
import {
  compile,
  constant,
  gradient,
  Layout,
  logSumExp,
  mul,
  pick,
  sub,
  sum,
  trace,
  type Data,
  type Device,
  type Spec,
  type Tensor,
} from "../../src/tensor/index.ts";
import { fixturePath, golden, goldenJson, relativeError } from "../support/fixtures.ts";

export interface Loaded {
  readonly network: LogitsNetwork;
  readonly parameters: Float32Array;
}

/** A fixture folder's network. */
export const loadFixture = async (name: string): Promise<Loaded> => publishedNetwork(await readModelFolder(fixturePath(name)), name);

export const float = (...shape: number[]): Spec => ({ dtype: "float32", shape });
export const int = (...shape: number[]): Spec => ({ dtype: "int32", shape });

/** Traces `body` over the network's parameters and further inputs, runs it once, and gives its outputs. */
export async function runOnce(
  { network, parameters }: Loaded,
  device: Device,
  inputs: Readonly<Record<string, Spec & { readonly data: Data }>>,
  body: (p: Record<string, Tensor>) => Record<string, Tensor>,
): Promise<Record<string, Float32Array>> {
  const layout = new Layout(network.parameters);
  const signature = Object.fromEntries([
    ...network.parameters.map(({ name, shape }) => [name, float(...shape)] as const),
    ...Object.entries(inputs).map(([name, { dtype, shape }]) => [name, { dtype, shape }] as const),
  ]);
  const executable = await compile(trace(signature, body), { device });
  const data = Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.data]));
  const results = await executable.run({ ...layout.slices(parameters), ...data });
  await executable.dispose();
  return results as Record<string, Float32Array>;
}

/** Logits [batch·length, vocabulary] of tokens, with an additive mask [batch, length] if given. */
export async function logitsOf(
  loaded: Loaded,
  device: Device,
  rows: readonly ArrayLike<number>[],
  mask?: Float32Array,
): Promise<Float32Array> {
  const [batch, length] = [rows.length, rows[0]!.length];
  const tokens = { ...int(batch, length), data: Int32Array.from(rows.flatMap((row) => Array.from(row))) };
  const inputs = mask ? { tokens, mask: { ...float(batch, 1, 1, length), data: mask } } : { tokens };
  const { network } = loaded;
  const { logits } = await runOnce(loaded, device, inputs, (p) => ({
    logits: network.head(p, network.trunk(p, { tokens: p["tokens"]!, ...(mask ? { mask: p["mask"]! } : {}) })),
  }));
  return logits!;
}

/** Mean cross-entropy of `targets` [batch·length], those below 0 not counted, and its gradient for every parameter. */
export async function lossAndGradients(loaded: Loaded, device: Device, tokens: Int32Array, length: number, targets: Int32Array) {
  const { network } = loaded;
  const counted = Float32Array.from(targets, (target) => Number(target >= 0));
  const weights = counted.map((one) => one / counted.reduce((a, b) => a + b));
  const inputs = {
    tokens: { ...int(tokens.length / length, length), data: tokens },
    targets: { ...int(targets.length), data: targets.map((target) => Math.max(0, target)) },
  };
  return runOnce(loaded, device, inputs, (p) => {
    const logits = network.head(p, network.trunk(p, { tokens: p["tokens"]! }));
    const loss = sum(mul(sub(logSumExp(logits), pick(logits, p["targets"]!)), constant(weights, [weights.length, 1])));
    const names = network.parameters.map(({ name }) => name);
    const gradients = gradient(
      loss,
      names.map((name) => p[name]!),
    );
    return { loss, ...Object.fromEntries(names.map((name, i) => [`grad/${name}`, gradients[i]!])) };
  });
}

type Tolerances = Record<string, { relative_to: "last" | "tensor"; tolerance: number }>;

/** What a fixture's tolerances.json allows for `entry`. */
export const toleranceOf = (fixture: string, entry: string) =>
  goldenJson<Record<string, Tolerances>>("tolerances.json")[`${fixture}/io.safetensors`]![entry]!;

/** Compares with a fixture's golden tensor, or with `truth`, as tolerances.json says for `entry`. */
export function expectGolden(fixture: string, name: string, actual: ArrayLike<number>, { entry = name, truth = name } = {}): void {
  const { relative_to, tolerance } = toleranceOf(fixture, entry);
  const io = golden(`${fixture}/io.safetensors`);
  const error = relativeError(actual, io.float64(truth), relative_to, io.shape(truth).at(-1) ?? 1);
  expect(error, `${name}: relative error ${error}, tolerance ${tolerance}`).toBeLessThanOrEqual(tolerance);
}
