/** On the shipped model, which is `normalized`: integral, exact-k and unmasking in random order estimate one number, within their standard errors. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { load, type Model } from "../../src/model.ts";

const text = "Once upon a time there was a king who had three daughters. The youngest was so beautiful that the sun itself wondered.";
let model: Model;
beforeAll(async () => {
  model = await load("fairytales", { threads: 2 });
});
afterAll(() => model.dispose());

test("they agree within their standard errors; left to right is another sampler's likelihood", async () => {
  const integral = await model.likelihood(text, { samples: 192, seed: 1 });
  const exactK = await model.likelihood(text, { samples: 192, seed: 2, estimator: "exact-k" });
  const orders = await model.likelihood(text, { samples: 12, seed: 3, estimator: "any-order" });
  for (const [a, b] of [
    [integral, exactK],
    [integral, orders],
    [exactK, orders],
  ] as const) {
    const error = Math.hypot(a.standardError, b.standardError);
    // 5 standard errors, from at least 12 replicates each.
    expect(Math.abs(a.natsPerToken - b.natsPerToken)).toBeLessThan(5 * error);
    // And the errors are small enough that the agreement means something.
    expect(error / a.natsPerToken).toBeLessThan(0.04);
  }
  expect(orders.protocol.unnormalised).toBeCloseTo(0, 4);
  const fixed = await model.likelihood(text, { estimator: "left-to-right" });
  expect(fixed.standardError).toBe(0);
  expect(fixed.natsPerToken).toBeGreaterThan(2);
});
