import { createHash } from "node:crypto";
import { expect, test, vi } from "vitest";
import { fingerprint } from "../../src/objectives/fingerprint.ts";

test("16 digits of SHA-256; weights are hashed once, however often they are asked about", async () => {
  const digest = vi.spyOn(crypto.subtle, "digest");
  const weights = Float32Array.of(1, 2, 3).subarray(1);
  const expected = createHash("sha256").update(new Uint8Array(weights.slice().buffer)).digest("hex").slice(0, 16);
  expect(await Promise.all([fingerprint(weights), fingerprint(weights)])).toEqual([expected, expected]);
  expect(await fingerprint(weights)).toBe(expected);
  expect(digest).toHaveBeenCalledTimes(1);
  expect(await fingerprint(Float32Array.of(2, 4))).not.toBe(expected);
  expect(await fingerprint("text")).toBe(createHash("sha256").update("text").digest("hex").slice(0, 16));
  digest.mockRestore();
});
