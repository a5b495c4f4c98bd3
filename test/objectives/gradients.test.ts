/** The gradient of the whole network under each objective is that of its loss: central differences in every parameter tensor. */
import { describe, expect, test } from "vitest";
import { objectiveOf } from "../../src/objectives/objective-of.ts";
import type { SeddConfig } from "../../src/objectives/sedd.ts";
import { configOf, devices, plainConfig, slopes, STEP } from "./support.ts";

const configs: [string, SeddConfig][] = [
  ["mlm", plainConfig("mlm", undefined, 0.2)],
  ["ardm", plainConfig("ardm", undefined, 0.2)],
  ["ar", plainConfig("ar", undefined, 0.2)],
  ["sedd, ℓ2, score", { ...configOf("score", 0.2), loss: "l2" }],
  ["sedd, ℓ2, normalized", { ...configOf("normalized", 0.2), loss: "l2" }],
];

describe.each(devices)("on %s", (device) => {
  test.each(configs)("%s", async (_, config) => {
    const { sum, slope: slopeOf } = await slopes(config, device);
    expect(sum).toBeGreaterThan(0);
    // In each tensor along its own gradient. Rounding of the two losses leaves 1e-7·L/h, the third derivative h².
    for (const { name, offset, size } of objectiveOf(config).layout.views) {
      const { slope, norm } = await slopeOf(offset, offset + size);
      expect(norm, name).toBeGreaterThan(0);
      expect(Math.abs(slope - norm), `${name}: slope ${slope}, gradient ${norm}`).toBeLessThan(0.01 * norm + (4e-7 * sum) / STEP);
    }
  });
});
