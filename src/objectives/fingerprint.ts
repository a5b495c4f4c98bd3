/** A short name for data, so that a number can say which weights and which text it belongs to. */
import { sha256 } from "../platform/digest.ts";

/** The first 16 hexadecimal digits of SHA-256; undefined where the platform has none. */
export const fingerprint = async (data: Float32Array | string): Promise<string | undefined> => (await sha256(data))?.slice(0, 16);
