/**
 * SEDD against the official code with weights read as `load` reads them: the training loss and its gradients through the very program that training
 * compiles, and the sampler's one-step vectors.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { analyticLaw } from "../../src/diffusion/analytic.ts";
import { denoiseLaw } from "../../src/diffusion/denoise.ts";
import { eulerLaw } from "../../src/diffusion/euler.ts";
import { type Law, probabilities } from "../../src/diffusion/law.ts";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { readModel, type StoredModel } from "../../src/model.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { corruptionOf, seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { fixturePath, golden, goldenJson, relativeError } from "../support/fixtures.ts";
import { devices, lossOf } from "./support.ts";

describe.each(["absorb", "uniform"])("the official numbers, %s", (graph) => {
  const file = `loss-${graph}.safetensors`;
  const io = golden(file);
  const tolerances = goldenJson<Record<string, Record<string, { tolerance: number }>>>("tolerances.json")[file]!;
  const [rows, length] = io.shape("x0") as [number, number];
  const [clean, noisy] = [io.int32("x0") as Int32Array, io.int32("x_t") as Int32Array];
  const times = Float64Array.from(io.tensor("t"));
  let model: StoredModel;
  let config: SeddConfig;
  beforeAll(async () => {
    model = await readModel(fixturePath(`sedd-${graph}`));
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

    /** The loss of each sequence by itself, at these times. */
    const lossesAt = async (changed: SeddConfig, at: Float64Array): Promise<number[]> => {
      const shape = { batch: 1, length };
      const one = Array.from({ length: rows }, (_, r) =>
        corruptionOf(
          changed,
          clean.slice(r * length, (r + 1) * length),
          noisy.slice(r * length, (r + 1) * length),
          at.slice(r, r + 1),
          shape,
        ),
      );
      const losses: number[] = [];
      // Sequences may need heads of other sizes: one program each.
      for (const corruption of one) losses.push((await lossOf(changed, model.parameters, shape, corruption, device)).sum);
      return losses;
    };

    test("the loss of each sequence", async () => {
      expect(relativeError(await lossesAt(config, times), io.float64("loss"), "element")).toBeLessThanOrEqual(
        tolerances["loss"]!.tolerance,
      );
    });

    test("the one-step vectors of both predictors and the denoise, from the network's own scores", async () => {
      const name = `sampler-${graph}.safetensors`;
      const vectors = golden(name);
      const allowed = goldenJson<Record<string, Record<string, { tolerance: number }>>>("tolerances.json")[name]!;
      const noise = noiseFrom(config.noise);
      const score = networkScore(config, model.parameters, { device });
      const { states, mask } = score.graph;
      const x = vectors.int32("x") as Int32Array;
      const step = vectors.float64("step_size")[0]!;
      const check = async (vector: string, at: Float64Array, law: (t: number) => Law): Promise<void> => {
        const all = await score.all(x, at.map(noise.sigma));
        // The denoise gives no MASK, and its vectors have no such entry.
        const width = vector.startsWith("denoise") && mask !== undefined ? mask : states;
        const ours = Float64Array.from(
          [...x].flatMap((token, i) => {
            const weights = probabilities(law(at[Math.floor(i / length)]!), token, all.subarray(i * states, (i + 1) * states));
            return [...weights.subarray(0, width)];
          }),
        );
        const error = relativeError(ours, vectors.float64(`${vector}_f64`), "last", width);
        expect(error, `${vector}: ${error}`).toBeLessThanOrEqual(allowed[vector]!.tolerance);
      };
      const now = vectors.float64("t");
      await check("euler", now, (t) => eulerLaw(score.graph, noise.rate(t) * step));
      await check("analytic", now, (t) => analyticLaw(score.graph, noise.sigma(t) - noise.sigma(t - step)));
      await check("denoise", now, (t) => denoiseLaw(score.graph, noise.sigma(t)));
      await check("denoise_end", vectors.float64("t_end"), (t) => denoiseLaw(score.graph, noise.sigma(t)));
      await score.dispose();
    });

    if (graph === "uniform")
      test("the loss of each sequence under log-linear noise", async () => {
        const loglinear = { ...config, noise: { kind: "loglinear", eps: 1e-3 } } as const;
        const losses = await lossesAt(loglinear, Float64Array.from(io.tensor("loglinear.t")));
        const { tolerance } = tolerances["loglinear.loss"]!;
        expect(relativeError(losses, io.float64("loglinear.loss"), "element")).toBeLessThanOrEqual(tolerance);
      });
  });
});
