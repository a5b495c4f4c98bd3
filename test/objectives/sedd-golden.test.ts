/** SEDD's training loss against the official code, through the very program that training compiles, with weights read as `load` reads them. */
import { beforeAll, describe, expect, test } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { readModel, type StoredModel } from "../../src/model.ts";
import { corruptionOf, seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { fixturePath, golden, goldenJson, relativeError } from "../support/fixtures.ts";
import { devices, lossOf } from "./support.ts";

describe("the official loss and gradients", () => {
  const io = golden("loss-absorb.safetensors");
  const tolerances = goldenJson<Record<string, Record<string, { tolerance: number }>>>("tolerances.json")["loss-absorb.safetensors"]!;
  const [rows, length] = io.shape("x0") as [number, number];
  const [clean, noisy] = [io.int32("x0") as Int32Array, io.int32("x_t") as Int32Array];
  const times = Float64Array.from(io.tensor("t"));
  let model: StoredModel;
  let config: SeddConfig;
  beforeAll(async () => {
    model = await readModel(fixturePath("sedd-absorb"));
    // As the fixtures were made: in training mode with no dropout.
    config = { ...model.config.sedd, network: { ...model.config.sedd.network, dropout: 0 } };
  });

  test("the noise at the fixtures' times", () => {
    const noise = noiseFrom(config.noise);
    expect(relativeError(times.map(noise.sigma), io.float64("sigma"), "element (no floor)")).toBeLessThan(1e-12);
    expect(relativeError(times.map(noise.rate), io.float64("dsigma"), "element (no floor)")).toBeLessThan(1e-12);
  });

  describe.each(devices)("on %s", (device) => {
    test("the mean loss over the batch, and its gradient for every parameter", async () => {
      const shape = { batch: rows, length };
      const { sum, gradient } = await lossOf(config, model.parameters, shape, corruptionOf(config, clean, noisy, times, shape), device);
      expect(relativeError([sum / rows], io.float64("loss_mean"), "element")).toBeLessThanOrEqual(tolerances["loss"]!.tolerance);
      const { layout } = seddObjective(config);
      expect(layout.views).toHaveLength(30);
      for (const { name } of layout.views) {
        const error = relativeError(
          layout.slice(gradient, name).map((value) => value / rows),
          io.tensor(`grad/${name}`),
          "tensor",
        );
        expect(error, `${name}: relative error ${error}`).toBeLessThanOrEqual(tolerances["grad/*"]!.tolerance);
      }
    });

    test("the loss of each sequence", async () => {
      const shape = { batch: 1, length };
      const one = Array.from({ length: rows }, (_, r) =>
        corruptionOf(
          config,
          clean.slice(r * length, (r + 1) * length),
          noisy.slice(r * length, (r + 1) * length),
          times.slice(r, r + 1),
          shape,
        ),
      );
      const losses: number[] = [];
      // Sequences may need heads of other sizes: one program each.
      for (const corruption of one) losses.push((await lossOf(config, model.parameters, shape, corruption, device)).sum);
      expect(relativeError(losses, io.float64("loss"), "element")).toBeLessThanOrEqual(tolerances["loss"]!.tolerance);
    });
  });
});
