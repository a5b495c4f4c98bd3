/** The gradient of the whole network under each objective is that of its loss: central differences in every parameter tensor. */
import { describe, expect, test } from "vitest";
import { objectiveOf } from "../../src/objectives/objective-of.ts";
import type { SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { configOf, devices, lossesOf, lossOf, parametersOf, plainConfig, textOf } from "./support.ts";

const configs: [string, SeddConfig][] = [
  ["mlm", plainConfig("mlm", undefined, 0.2)],
  ["ardm", plainConfig("ardm", undefined, 0.2)],
  ["ar", plainConfig("ar", undefined, 0.2)],
  ["sedd, ℓ2, score", { ...configOf("score", 0.2), loss: "l2" }],
  ["sedd, ℓ2, normalized", { ...configOf("normalized", 0.2), loss: "l2" }],
];

describe.each(devices)("on %s", (device) => {
  test.each(configs)("%s", async (_, config) => {
    const objective = objectiveOf(config);
    const shape = { batch: 4, length: 12 };
    const parameters = parametersOf(config);
    const corruption = objective.corrupt(textOf(48), shape, random(13), true);
    const { gradient, sum } = await lossOf(config, parameters, shape, corruption, device);
    expect(sum).toBeGreaterThan(0);
    // In each tensor along its own gradient g: (L(+h) − L(−h)) / 2h = |g|. Rounding of the two losses leaves 1e-7·L/h, the third derivative h².
    for (const { name, offset, size } of objective.layout.views) {
      const own = gradient.subarray(offset, offset + size);
      const norm = Math.hypot(...own);
      expect(norm, name).toBeGreaterThan(0);
      const h = 3e-3;
      const moved = (sign: number): Float32Array =>
        parameters.map((value, i) => (i >= offset && i < offset + size ? value + (sign * h * gradient[i]!) / norm : value));
      const [ahead, behind] = await Promise.all([1, -1].map((sign) => lossesOf(config, moved(sign), shape, [corruption], device)));
      const slope = (ahead![0]!.sum - behind![0]!.sum) / (2 * h);
      expect(Math.abs(slope - norm), `${name}: slope ${slope}, gradient ${norm}`).toBeLessThan(0.01 * norm + (4e-7 * sum) / h);
    }
  });
});
