/** A run that was stopped and resumed equals one that was not, bit for bit. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import type { Recipe } from "../../src/training/recipe.ts";
import { train, type Metric } from "../../src/training/train.ts";
import { bits, temporaryFolder, timeless, tinyRecipe, writeCorpus, type Corpus } from "./support.ts";

const recipeOf = (corpus: Corpus, kind: "adamw" | "muon", schedule: object): Recipe =>
  tinyRecipe(corpus, {
    network: { dropout: 0.1 },
    windows: [
      { length: 16, weight: 0.6 },
      { length: 8, weight: 0.4 },
    ],
    batch: { tokens: 32, accumulate: 2 },
    optimizer: { kind },
    schedule: { steps: 20, ...schedule },
    validation: { every: 5, windows: 32 },
    samples: { every: 10, steps: 2 },
    checkpoint: { every: 7 },
  });

async function expectSameRun(a: string, b: string): Promise<void> {
  const [left, right] = [
    await readSafetensors(join(a, "checkpoint.safetensors")),
    await readSafetensors(join(b, "checkpoint.safetensors")),
  ];
  for (const name of ["parameters", "ema", "first", "second"]) expect(bits(left.tensor(name)), name).toEqual(bits(right.tensor(name)));
  const progress = (file: typeof left): object => ({ ...(JSON.parse(file.metadata["progress"]!) as object), seconds: 0 });
  expect(progress(left)).toEqual(progress(right));
  expect(timeless(a)).toEqual(timeless(b));
}

describe.each(["adamw", "muon"] as const)("%s: 20 steps straight equal 10 + resume + 10", (kind) => {
  test("interrupted by a signal, with a falling learning rate", async () => {
    const folder = temporaryFolder();
    const recipe = recipeOf(writeCorpus(join(folder, "data")), kind, { decay: "linear" });
    const [straight, broken] = [join(folder, "straight"), join(folder, "broken")];
    expect(await train({ recipe, out: straight })).toEqual({ step: 20, interrupted: false });
    const controller = new AbortController();
    const stopAt10 = (metric: Metric): void => {
      if (metric.kind === "step" && metric.step === 10) setTimeout(() => controller.abort(), 0);
    };
    const stopped = await train({ recipe, out: broken, signal: controller.signal, onMetric: stopAt10 });
    expect(stopped.interrupted).toBe(true);
    expect(stopped.step).toBeGreaterThanOrEqual(10);
    expect(await train({ recipe, out: broken, resume: true })).toEqual({ step: 20, interrupted: false });
    // What the interruption has cut, of its own step's validation and sample, was made up for.
    expect(timeless(broken)).toEqual(timeless(straight));
    const buffers = async (out: string) => readSafetensors(join(out, "checkpoint.safetensors"));
    const [a, b] = [await buffers(straight), await buffers(broken)];
    for (const name of ["parameters", "ema", "first", "second"]) expect(bits(a.tensor(name)), name).toEqual(bits(b.tensor(name)));
  });

  test("interrupted by a signal in its last step's validation", async () => {
    const folder = temporaryFolder();
    const recipe = recipeOf(writeCorpus(join(folder, "data")), kind, { decay: "linear" });
    const [straight, broken] = [join(folder, "straight"), join(folder, "broken")];
    await train({ recipe, out: straight });
    const controller = new AbortController();
    const stopAtLast = (metric: Metric): void => {
      if (metric.kind === "step" && metric.step === 20) controller.abort();
    };
    const stopped = await train({ recipe, out: broken, signal: controller.signal, onMetric: stopAtLast });
    expect(stopped).toEqual({ step: 20, interrupted: true });
    expect(timeless(broken)).toEqual(timeless(straight).filter(({ kind, step }) => kind === "step" || step < 20));
    const notices: string[] = [];
    const resume = () => train({ recipe, out: broken, resume: true, onNotice: (notice) => void notices.push(notice) });
    expect(await resume()).toEqual({ step: 20, interrupted: false });
    expect(notices).toEqual([]);
    await expectSameRun(straight, broken);
    await resume();
    expect(notices[0]).toMatch(/nothing to do/);
    await expectSameRun(straight, broken);
  });

  test("ended by its schedule, whose steps are then raised", async () => {
    const folder = temporaryFolder();
    const corpus = writeCorpus(join(folder, "data"));
    const recipe = recipeOf(corpus, kind, { decay: "none" });
    const [straight, broken] = [join(folder, "straight"), join(folder, "broken")];
    await train({ recipe, out: straight });
    await train({ recipe: recipeOf(corpus, kind, { decay: "none", steps: 10 }), out: broken });
    await train({ recipe, out: broken, resume: true });
    await expectSameRun(straight, broken);
  });
});

test("two runs of one recipe are the same bits; another seed is another run", async () => {
  const folder = temporaryFolder();
  const corpus = writeCorpus(join(folder, "data"));
  const recipe = recipeOf(corpus, "muon", { steps: 4 });
  for (const out of ["a", "b"]) await train({ recipe, out: join(folder, out) });
  await expectSameRun(join(folder, "a"), join(folder, "b"));
  await train({ recipe: { ...recipe, seed: 2 }, out: join(folder, "c") });
  const loss = (out: string) => (timeless(join(folder, out))[0] as { loss: number }).loss;
  expect(loss("c")).not.toBe(loss("a"));
});
