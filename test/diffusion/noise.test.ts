import fc from "fast-check";
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
  // t ↦ σ ↦ t and σ ↦ t ↦ σ over the whole range. Each function rounds its result by a few ulp (u = 2.2e-16); what the second one makes of that is its
  // derivative: log-linear dt/dσ ≤ 1, and dσ/dt · t ≤ 1/ε where 1 − (1−ε)t is left; geometric σ has the relative derivative log(σ_max/σ_min) in t.
  const u = 2 ** -52;
  const least = 2 ** -1060; // below the normal numbers rounding is absolute
  const unit = fc.double({ min: 0, max: 1, noNaN: true });
  it("log-linear: time inverts σ and σ inverts time, any ε", () => {
    const exponent = fc.double({ min: -6, max: -0.01, noNaN: true });
    const both = fc.property(exponent, unit, unit, (e, t, share) => {
      const noise = logLinear(10 ** e);
      expect(Math.abs(noise.time(noise.sigma(t)) - t)).toBeLessThanOrEqual(8 * u * t + least);
      const sigma = share * noise.sigma(1);
      expect(Math.abs(noise.sigma(noise.time(sigma)) - sigma)).toBeLessThanOrEqual(
        (8 * u * Math.min(1, sigma)) / (1 - noise.time(sigma) + 10 ** e) + least,
      );
    });
    fc.assert(both, { seed: 1, numRuns: 2000, examples: [[-3, 0, 0], [-3, 1, 1], [-3, 0.5, 1e-12], [-3, 1e-300, 1e-300], [-6, 1, 1]] }); // prettier-ignore
  });
  it("geometric: time inverts σ and σ inverts time, any σ_min and σ_max", () => {
    const lowest = fc.double({ min: -8, max: 0, noNaN: true });
    const factor = fc.double({ min: 0.1, max: 8, noNaN: true });
    const both = fc.property(lowest, factor, unit, unit, (low, wide, t, share) => {
      const [least, most] = [10 ** low, Math.min(700, 10 ** (low + wide))];
      const noise = geometric(least, most);
      // log(σ/σ_min)/growth: an ulp of σ is u/growth in t, and the exponents 1 − t and t are rounded before they are raised.
      const growth = Math.log(most / least);
      expect(Math.abs(noise.time(noise.sigma(t)) - t)).toBeLessThanOrEqual(8 * u * (1 + (1 + 8 * Math.LN10) / growth));
      const sigma = noise.sigma(0) ** (1 - share) * noise.sigma(1) ** share;
      expect(Math.abs(noise.sigma(noise.time(sigma)) / sigma - 1)).toBeLessThanOrEqual(8 * u * (1 + growth + 8 * Math.LN10));
    });
    fc.assert(both, { seed: 1, numRuns: 2000, examples: [[-5, 6.3, 0, 0], [-5, 6.3, 1, 1]] }); // prettier-ignore
  });
  it("σ rises strictly", () => {
    for (const noise of [logLinear(), logLinear(0.5), geometric(), geometric(0.1, 0.2)])
      for (let k = 0; k < 1000; k++) expect(noise.sigma((k + 1) / 1000)).toBeGreaterThan(noise.sigma(k / 1000));
  });
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
