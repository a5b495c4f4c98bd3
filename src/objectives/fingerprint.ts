/** A short name for data, so that a number can say which weights and which text it belongs to. */
import { sha256 } from "../platform/digest.ts";

/** Of the weights that were asked about, for as long as they are held: each likelihood and query names them, and they are megabytes to hash. */
const known = new WeakMap<Float32Array, Promise<string | undefined>>();

/** The first 16 hexadecimal digits of SHA-256; undefined where the platform has none. Weights are those of a loaded model, which never change: they are hashed once. */
export function fingerprint(data: Float32Array | string): Promise<string | undefined> {
  if (typeof data === "string") return shortened(data);
  let name = known.get(data);
  if (!name) known.set(data, (name = shortened(data)));
  return name;
}

const shortened = async (data: Float32Array | string): Promise<string | undefined> => (await sha256(data))?.slice(0, 16);
