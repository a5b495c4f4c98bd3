/** A short name for data, so that a number can say which weights and which text it belongs to. */

/** The first 16 hexadecimal digits of SHA-256; undefined where the platform has none (a page that was not loaded over a secure connection). */
export async function fingerprint(data: Float32Array | string): Promise<string | undefined> {
  const subtle = (globalThis as { crypto?: Crypto }).crypto?.subtle as SubtleCrypto | undefined;
  if (!subtle) return undefined;
  const bytes =
    typeof data === "string"
      ? new TextEncoder().encode(data)
      : new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const digest = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return [...digest.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
