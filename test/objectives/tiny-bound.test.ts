/** On trained networks with three tokens and three positions: the bound is at least −log p, p being the law that the network's reverse process writes. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { summariseBound } from "../../src/diffusion/bound.ts";
import { boundSamples } from "../../src/diffusion/likelihood.ts";
import { random } from "../../src/platform/random.ts";
import { space } from "../support/oracle.ts";
import { denseOf, exactBound, reverseLaw, reverseProcess, totalBound } from "../support/reverse-process.ts";
import { type TinyModel, tinyKinds, trainTinyModel } from "../support/tiny-model.ts";

const texts = Array.from({ length: 27 }, (_, k) => space(3, 3).at(k));

describe.each(tinyKinds)("a trained network, %s", (kind) => {
  let model: TinyModel;
  beforeAll(async () => void (model = await trainTinyModel(kind, { steps: 300 })));
  afterAll(() => model.score.dispose());

  it("its bound is at least −log p for every text, and the estimate agrees with it", async () => {
    const { score, config, p0 } = model;
    const noise = noiseFrom(config.noise);
    const process = reverseProcess(denseOf(score), score.graph, noise, 3);
    // The step leaves 5e-6 (reverse-process.test.ts halves it); float32 log-scores are good to 1e-6, over three positions.
    const [law, bound] = [await reverseLaw(process, 0.05), totalBound(await exactBound(process))];
    expect(Math.abs(law.reduce((a, b) => a + b) - 1)).toBeLessThan(1e-5);
    const gaps = bound.map((value, k) => value + Math.log(law[k]!));
    expect(Math.min(...gaps)).toBeGreaterThan(-1e-5);
    // Measured: 0.020 (normalized), 0.016 (score), 0.035 (uniform) nats a text of three tokens; bits of a training run differ between machines.
    const mean = (values: Float64Array) => p0.reduce((sum, p, k) => sum + p * values[k]!, 0);
    expect(mean(gaps)).toBeGreaterThan(0.005);
    expect(mean(gaps)).toBeLessThan(0.2);

    const windows = Array.from({ length: 20 }, () => texts).flat();
    const samples = await boundSamples(score, noise, windows, { samples: 16, random: random(8), maxRows: 1024 });
    const { total, standardError } = summariseBound(samples);
    // 16 replicates, 5 standard errors, a fixed seed.
    expect(Math.abs(total - 20 * bound.reduce((a, b) => a + b))).toBeLessThan(5 * standardError);
  });
});
