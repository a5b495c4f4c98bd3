import { describe, expect, it } from "vitest";
import { geometric, logLinear, noiseFrom } from "../../src/diffusion/noise.ts";
import { golden, relativeError } from "../support/fixtures.ts";

describe("noise schedules", () => {
  const file = golden("noise.safetensors");
  const t = file.float64("t");
  for (const [name, noise] of [
    ["loglinear", logLinear()],
    ["geometric_1e-05_20", geometric()],
    ["geometric_0.001_1", geometric(1e-3, 1)],
  ] as const) {
    // Float64 on both sides: rounding, and the reference's own cancellation in 1 − (1−ε)t near t = 1 (1e-16/1e-3).
    it(`${name}: σ and dσ/dt are the golden ones to 1e-12`, () => {
      expect(relativeError(t.map(noise.sigma), file.float64(`${name}.total`), "element (no floor)")).toBeLessThan(1e-12);
      expect(relativeError(t.map(noise.rate), file.float64(`${name}.rate`), "element (no floor)")).toBeLessThan(1e-12);
    });
    it(`${name}: time inverts σ`, () => {
      // At t = 1e-5 the geometric schedule's σ has a relative derivative of 15 in t: 1e-12 leaves room for its rounding.
      for (const at of [1e-5, 1e-3, 0.1, 0.499, 0.5, 0.9, 0.999, 1]) expect(noise.time(noise.sigma(at))).toBeCloseTo(at, 12);
    });
    it(`${name}: the rate is the derivative of σ`, () => {
      const h = 1e-6;
      for (const at of [0.01, 0.3, 0.499, 0.7, 0.99]) {
        const slope = (noise.sigma(at + h) - noise.sigma(at - h)) / (2 * h);
        expect(Math.abs(slope / noise.rate(at) - 1)).toBeLessThan(1e-7); // h² times the third derivative, and rounding/h
      }
    });
    it(`${name}: its configuration gives it back`, () => {
      const again = noiseFrom(JSON.parse(JSON.stringify(noise.config)));
      expect(again.kind).toBe(noise.kind);
      expect(again.sigma(0.37)).toBe(noise.sigma(0.37));
    });
  }
  it("stays exact at both ends", () => {
    expect(logLinear().sigma(1)).toBe(-Math.log(1e-3));
    expect(logLinear().sigma(1e-15)).toBeCloseTo(0.999e-15, 29);
    expect(logLinear().sigma(0)).toBe(0);
    expect(geometric().sigma(0)).toBe(1e-5);
  });
  it("refuses what is no schedule", () => {
    expect(() => logLinear(0)).toThrow("eps must lie between 0 and 1, got 0");
    expect(() => geometric(2, 1)).toThrow("sigmaMin 2 and sigmaMax 1");
  });
});
