/** The three estimates of −log p on trained tiny networks: where scores are `normalized` they agree; where not, unmasking lies below by what Σh ≠ 1 costs. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type BoundSamples, summariseBound } from "../../src/diffusion/bound.ts";
import { exactKSamples } from "../../src/diffusion/exact-k.ts";
import { boundSamples } from "../../src/diffusion/likelihood.ts";
import { logLinear } from "../../src/diffusion/noise.ts";
import { unmaskingSamples } from "../../src/diffusion/unmasking.ts";
import { random } from "../../src/platform/random.ts";
import { space } from "../support/oracle.ts";
import { type TinyModel, trainTinyModel } from "../support/tiny-model.ts";

const texts = space(3, 3);
const windows = Array.from({ length: 5 * 27 }, (_, k) => texts.at(k % 27));
const far = (a: BoundSamples, b: BoundSamples): number => {
  const [x, y] = [summariseBound(a), summariseBound(b)];
  return (x.total - y.total) / Math.hypot(x.standardError, y.standardError);
};

describe.each(["absorb normalized", "absorb score"] as const)("%s", (kind) => {
  let model: TinyModel;
  beforeAll(async () => {
    model = await trainTinyModel(kind, { steps: 150 });
  });
  afterAll(() => model.score.dispose());

  test("integral, exact-k and unmasking with its excess are one number", async () => {
    const options = { samples: 32, maxRows: 512 };
    const integral = await boundSamples(model.score, logLinear(), windows, { ...options, random: random(1) });
    const exactK = await exactKSamples(model.score, logLinear(), windows, { ...options, random: random(2) });
    const ordered = await unmaskingSamples(model.score, logLinear(), windows, { ...options, random: random(3), order: "random" });
    const whole = { ...ordered, terms: { ...ordered.terms, integral: ordered.excess } };
    // 5 standard errors from at least 16 replicates each.
    expect(Math.abs(far(integral, exactK))).toBeLessThan(5);
    expect(Math.abs(far(integral, whole))).toBeLessThan(5);
    expect(Math.abs(far(exactK, whole))).toBeLessThan(5);
    const excess = summariseBound({ ...ordered, terms: { unmasking: ordered.excess } });
    const gap = excess.total / windows.length;
    console.log(
      `${kind}: bound ${(summariseBound(integral).total / windows.length).toFixed(4)} nats a text, of which Σh ≠ 1 costs ${gap.toFixed(4)}`,
    );
    if (kind === "absorb normalized") {
      expect(Math.abs(gap)).toBeLessThan(1e-5); // float32
      expect(Math.abs(far(integral, ordered))).toBeLessThan(5);
    } else {
      // Σh − 1 − log Σh ≥ 0: small for a network that was trained to know Σh, but there, and to the bound's disadvantage.
      expect(excess.total).toBeGreaterThan(5 * excess.standardError);
      expect(ordered.excess.every((value) => value >= -1e-6)).toBe(true);
    }
  });
});
