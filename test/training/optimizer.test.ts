/** Five AdamW steps against the official implementation's (optimizer.safetensors), through the loss program and the optimizer that training runs. */
import { beforeAll, describe, expect, test } from "vitest";
import { readModel } from "../../src/model.ts";
import { corruptionOf, seddObjective } from "../../src/objectives/sedd.ts";
import { lossRunner } from "../../src/training/loss.ts";
import { createOptimizer, type TrainingState, workingBuffers } from "../../src/training/optimizer.ts";
import type { Recipe } from "../../src/training/recipe.ts";
import { emaDecay, learningRateFactor } from "../../src/training/schedule.ts";
import { fixturePath, golden, goldenJson, relativeError } from "../support/fixtures.ts";

const STEPS = 5;
const shape = { batch: 3, length: 24 };
const fixture = golden("optimizer.safetensors");
const tolerances = goldenJson<Record<string, Record<string, { tolerance: number }>>>("tolerances.json")["optimizer.safetensors"]!;
const runtime = { threads: 1, spinning: false };

describe.each([
  ["wd0", "vector"],
  ["wd0.03", "vector"],
  ["wd0.03", "plain"],
])("AdamW with %s, %s passes", (run, passes) => {
  const settings: Recipe["optimizer"] = {
    kind: "adamw",
    learningRate: 3e-4,
    muonLearningRate: 1,
    momentum: 0.95,
    muonBlock: 0,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: run === "wd0" ? 0 : 0.03,
    clip: 1,
  };
  const schedule: Recipe["schedule"] = { steps: 1000, warmup: 4, decay: "none", decayFrom: 0 };
  const losses: number[] = [];
  const norms: number[] = [];
  const rates: number[] = [];
  let state: TrainingState;
  let start: Float32Array;
  let objective: ReturnType<typeof seddObjective>;

  beforeAll(async () => {
    const { config, parameters } = await readModel(fixturePath("sedd-absorb"), "raw");
    const sedd = { ...config.sedd, network: { ...config.sedd.network, dropout: 0 } };
    objective = seddObjective(sedd);
    const { layout } = objective;
    start = parameters.slice();
    const plain = { parameters, ema: parameters.slice(), first: layout.allocate(), second: layout.allocate() };
    const working = passes === "vector" ? workingBuffers(plain) : { state: plain, gradients: layout.allocate() };
    state = working.state;
    const { gradients } = working;
    const runner = lossRunner(objective, runtime);
    const optimizer = await createOptimizer(layout, settings, objective.isHiddenMatrix, runtime);
    const row = <T extends Int32Array | Float64Array>(all: T, step: number): T =>
      all.slice(((step - 1) * all.length) / STEPS, (step * all.length) / STEPS) as T;
    for (let step = 1; step <= STEPS; step++) {
      const corruption = corruptionOf(
        sedd,
        row(fixture.int32("x0"), step),
        row(fixture.int32("x_t"), step),
        row(fixture.float64("t"), step),
        shape,
      );
      losses.push((await runner.run(state.parameters, corruption, shape, gradients)) / shape.batch);
      const factor = learningRateFactor(schedule, step);
      rates.push(settings.learningRate * factor);
      norms.push(await optimizer.update(state, gradients, { step, factor, scale: 1 / shape.batch, emaDecay: 0.9999 }));
    }
    await runner.dispose();
    await optimizer.dispose();
  });

  const tolerance = (row: string): number => tolerances[`${run}.${row}`]!.tolerance;

  test("learning rate: linear warm-up, exactly", () => {
    rates.forEach((rate, i) => expect(rate).toBeCloseTo(fixture.float64(`${run}.lr`)[i]!, 15));
  });

  test("mean loss before each update", () => {
    expect(relativeError(losses, fixture.float64(`${run}.loss`), "element")).toBeLessThan(tolerance("loss"));
  });

  test("gradient norm before clipping", () => {
    expect(relativeError(norms, fixture.float64(`${run}.grad_norm`), "element")).toBeLessThan(tolerance("grad_norm"));
  });

  test.each(["param", "ema"] as const)("%s after five updates, every tensor", (kind) => {
    const buffer = kind === "param" ? state.parameters : state.ema;
    for (const { name } of objective.layout.views) {
      const error = relativeError(objective.layout.slice(buffer, name), fixture.float64(`${run}.${kind}/${name}`), "tensor");
      expect(error, name).toBeLessThan(tolerance(`${kind}/*`));
    }
  });

  test("the whole update of every tensor, in L2: the comparison that sees weight decay", () => {
    for (const { name } of objective.layout.views) {
      const expected = fixture.float64(`${run}.param/${name}`);
      const [ours, before] = [objective.layout.slice(state.parameters, name), objective.layout.slice(start, name)];
      let [error, size] = [0, 0];
      expected.forEach((value, i) => {
        error += (ours[i]! - value) ** 2;
        size += (value - before[i]!) ** 2;
      });
      expect(Math.sqrt(error / size), name).toBeLessThan(tolerance("param/* minus start"));
    }
  });
});

test("the moving average warms up as min(d, (1+n)/(10+n))", () => {
  expect([1, 2, 90].map((n) => emaDecay(0.9999, n))).toEqual([2 / 11, 3 / 12, 91 / 100]);
  expect(emaDecay(0.9, 1000)).toBe(0.9);
});
