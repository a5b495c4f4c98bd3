/** The one place where tests load golden numbers from (test/fixtures; its README.md gives every tensor, formula and tolerance). */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseSafetensors, type Safetensors } from "../../src/formats/safetensors.ts";

/** The path of a fixture. */
export const fixturePath = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** A safetensors fixture: `golden("noise.safetensors").float64("t")`. */
export const golden = (name: string): Safetensors => parseSafetensors(readFileSync(fixturePath(name)), name);

/** A JSON fixture. */
export const goldenJson = <T>(name: string): T => JSON.parse(readFileSync(fixturePath(name), "utf8")) as T;

/**
 * Largest |actual − expected| divided by a scale, as tolerances.json means it: the largest magnitude of the whole tensor ("tensor"), of each run of
 * `width` values ("last"), max(1, |value|) ("element") or |value| ("element (no floor)").
 */
export function relativeError(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  relativeTo: "tensor" | "last" | "element" | "element (no floor)",
  width = expected.length,
): number {
  if (actual.length !== expected.length) throw new Error(`${actual.length} values to compare with ${expected.length}`);
  const run = relativeTo === "last" ? width : expected.length;
  let worst = 0;
  for (let start = 0; start < expected.length; start += run) {
    let scale = 0;
    for (let i = start; i < start + run; i++) scale = Math.max(scale, Math.abs(expected[i]!));
    for (let i = start; i < start + run; i++) {
      const magnitude = Math.abs(expected[i]!);
      const by = relativeTo === "element" ? Math.max(1, magnitude) : relativeTo === "element (no floor)" ? magnitude : scale;
      const error = Math.abs(actual[i]! - expected[i]!) / (by || 1);
      if (!(error <= worst)) worst = error; // NaN counts as the worst
    }
  }
  return worst;
}
