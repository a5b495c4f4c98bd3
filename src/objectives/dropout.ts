/** Dropout's masks: inputs of the loss program, because the runtime's own random operators cannot say which numbers they drew. */
import type { DDiTConfig } from "../network/ddit.ts";
import type { Random } from "../platform/random.ts";
import type { Feeds, Spec } from "../tensor/index.ts";
import type { BatchShape } from "./objective.ts";

/** The input of a network that has dropout, in training alone. */
export const dropoutInputs = (network: DDiTConfig, shape: BatchShape, training: boolean): Record<string, Spec> =>
  training && network.dropout > 0 ? { keep: { dtype: "bool", shape: [keptValues(network, shape)] } } : {};

/** A drawn mask for it. */
export const dropoutFeeds = (network: DDiTConfig, shape: BatchShape, random: Random, training: boolean): Feeds =>
  training && network.dropout > 0 ? { keep: dropoutMask(network, shape, random) } : {};

const keptValues = ({ hidden, layers }: DDiTConfig, { batch, length }: BatchShape): number => 2 * layers * batch * length * hidden;

/** Which activations dropout keeps: 16 bits each from a counter-based stream, so that the mask depends on the drawn key alone. */
function dropoutMask(network: DDiTConfig, shape: BatchShape, random: Random): Uint8Array {
  const threshold = Math.round(network.dropout * 65536);
  const kept = new Uint8Array(keptValues(network, shape));
  const key = random.integer(2 ** 32) >>> 0;
  for (let i = 0; i < kept.length; i += 2) {
    let z = (key + Math.imul(i + 1, 0x9e3779b9)) | 0;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    z ^= z >>> 15;
    kept[i] = (z & 0xffff) >= threshold ? 1 : 0;
    if (i + 1 < kept.length) kept[i + 1] = z >>> 16 >= threshold ? 1 : 0;
  }
  return kept;
}
