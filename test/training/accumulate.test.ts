/** A step of several forward passes is one batch: its gradient is the sum, its times are stratified over all of it. */
import { expect, test } from "vitest";
import { noiseFrom } from "../../src/diffusion/noise.ts";
import { corruptionOf, seddObjective, stratifiedTimes, T_MIN, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { windowSampler } from "../../src/text/batches.ts";
import { openTokens } from "../../src/text/source.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { lossRunner } from "../../src/training/loss.ts";
import { configOf, train } from "../../src/training/train.ts";
import { load } from "../../src/model.ts";
import { readCheckpoint } from "../../src/training/checkpoint.ts";
import { createOptimizer, workingBuffers } from "../../src/training/optimizer.ts";
import { createValidation } from "../../src/training/validation.ts";
import { bits, metricsOf, setting } from "./support.ts";
import { join } from "node:path";

test("times: one in each stratum of the whole step, uniform within it", () => {
  const [batch, passes, steps] = [4, 3, 2000];
  const seen = new Float64Array(10);
  for (let step = 0; step < steps; step++) {
    const u = random(1, step).uniform();
    const all = Array.from({ length: passes }, (_, pass) => [...stratifiedTimes(batch, random(2), (pass + u) / passes)]).flat();
    const strata = all.map((t) => Math.floor(((t - T_MIN) / (1 - T_MIN)) * batch * passes + 1e-9)).toSorted((a, b) => a - b);
    expect(strata).toEqual(Array.from({ length: batch * passes }, (_, i) => i));
    const within = ((all[0]! - T_MIN) / (1 - T_MIN)) * batch * passes;
    seen[Math.floor((within - Math.floor(within)) * 10)]!++;
  }
  // Binomial(2000, 1/10): deviation 13.4; five of them.
  seen.forEach((count) => expect(Math.abs(count - steps / 10)).toBeLessThan(67));
});

test("loss and gradient norm of a step of two passes are those of the eight windows at once", async () => {
  const { out, recipe } = setting({ batch: { accumulate: 2 }, schedule: { steps: 1 }, samples: { steps: 1 } });
  await train({ recipe, out });
  const config: SeddConfig = configOf(recipe, (await loadTokenizer(join(out, "tokenizer.json"))).size);
  const objective = seddObjective(config);
  const sampler = windowSampler(await openTokens(join(out, "train.tokens")), recipe.seed);
  const [STEP, INITIAL] = [0x73746570, 0x696e6974];
  const u = random(recipe.seed, STEP, 1).uniform();
  const [clean, noisy] = [new Int32Array(128), new Int32Array(128)];
  const times: number[] = [];
  for (let pass = 0; pass < 2; pass++) {
    const tokens = await sampler.nextBatch(4, 16);
    const { feeds } = objective.corrupt(tokens, { batch: 4, length: 16 }, random(recipe.seed, STEP, 1, pass), true, (pass + u) / 2);
    clean.set(tokens, 64 * pass);
    noisy.set(feeds["tokens"] as Int32Array, 64 * pass);
    for (const sigma of feeds["sigma"] as Float32Array) times.push(noiseFrom(config.noise).time(sigma));
  }
  const runner = lossRunner(objective, { threads: 1 });
  const gradients = objective.layout.allocate();
  const shape = { batch: 8, length: 16 };
  const parameters = objective.initialize(random(recipe.seed, INITIAL));
  const sum = await runner.run(parameters, corruptionOf(config, clean, noisy, Float64Array.from(times), shape), shape, gradients);
  await runner.dispose();
  const step = metricsOf(out).find(({ kind }) => kind === "step") as { loss: number; gradientNorm: number };
  // σ came back through float32, and the sums are added in another order: a few roundings of 6e-8.
  expect(step.loss / (sum / 128)).toBeCloseTo(1, 5);
  expect(step.gradientNorm / (Math.hypot(...gradients) / 128)).toBeCloseTo(1, 5);
});

test("a run is the plain loop of its recipe: schedule, clipping, decay, average; validation and samples are of the average", async () => {
  const { out, recipe } = setting({
    batch: { accumulate: 2 },
    optimizer: { kind: "muon", clip: 0.05, weightDecay: 0.2 },
    schedule: { steps: 5, warmup: 2, decay: "linear", decayFrom: 0.4 },
    ema: 0.15,
    validation: { every: 5, windows: 32 },
    samples: { every: 5, steps: 4 },
  });
  await train({ recipe, out });
  const tokenizer = await loadTokenizer(join(out, "tokenizer.json"));
  const config: SeddConfig = configOf(recipe, tokenizer.size);
  const objective = seddObjective(config);
  const { layout } = objective;
  const sampler = windowSampler(await openTokens(join(out, "train.tokens")), recipe.seed);
  const [STEP, INITIAL] = [0x73746570, 0x696e6974];
  const parameters = objective.initialize(random(recipe.seed, INITIAL));
  const { state, gradients } = workingBuffers({ parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() });
  const runtime = { threads: recipe.threads!, flushDenormals: true };
  const runner = lossRunner(objective, runtime);
  const optimizer = await createOptimizer(layout, recipe.optimizer, objective.isHiddenMatrix, runtime);
  // Linear from 0 in two steps of warm-up, then to 0 at the step after the last.
  const factors = [0.5, 1, 0.75, 0.5, 0.25];
  for (const [i, factor] of factors.entries()) {
    const u = random(recipe.seed, STEP, i + 1).uniform();
    for (let pass = 0; pass < 2; pass++) {
      const tokens = await sampler.nextBatch(4, 16);
      const shape = { batch: 4, length: 16 };
      const corruption = objective.corrupt(tokens, shape, random(recipe.seed, STEP, i + 1, pass), true, (pass + u) / 2);
      const own = pass === 0 ? gradients : layout.allocate();
      await runner.run(state.parameters, corruption, shape, own);
      if (pass > 0) own.forEach((value, j) => (gradients[j]! += value));
    }
    await optimizer.update(state, gradients, { step: i + 1, factor, scale: 1 / 128, emaDecay: 0.15 });
  }
  await Promise.all([runner.dispose(), optimizer.dispose()]);
  const trained = await readCheckpoint(out, layout.size);
  expect(bits(trained.state.parameters)).toEqual(bits(state.parameters));
  expect(bits(trained.state.ema)).toEqual(bits(state.ema));
  const metrics = metricsOf(out);
  const rates = metrics.flatMap((metric) => (metric.kind === "step" ? [metric.learningRate] : []));
  rates.forEach((rate, i) => expect(rate).toBeCloseTo(recipe.optimizer.learningRate * factors[i]!, 12));

  const valid = await openTokens(join(out, "valid.tokens"));
  const validation = await createValidation(objective, config, valid, { windows: 32, length: 16, seed: recipe.seed }, runtime);
  const told = metrics.find((metric) => metric.kind === "validation")!;
  expect(told).toMatchObject(await validation.bound(state.ema));
  expect(told.natsPerToken).not.toBe((await validation.bound(state.parameters)).natsPerToken);
  await validation.dispose();
  const model = await load(out, { threads: 1 });
  const [sample] = await model.sample({ steps: 4, seed: 0 });
  await model.dispose();
  expect(metrics.find((metric) => metric.kind === "sample")!.text).toBe(sample!.text);
});
