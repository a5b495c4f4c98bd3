/** A finished run stands in a comparison for the training it came from: measured as it is, never trained, and refused where more of it is asked for. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isFinishedRun, writeFinishedRun } from "../../src/evaluation/finished-run.ts";
import { UserError } from "../../src/platform/errors.ts";
import { comparisonSetting, runComparison } from "./comparison-fixture.ts";

test("finished runs are compared without training, to the same report but for the rounding of their weights", async () => {
  const setting = comparisonSetting((recipe) => (recipe.contestants = { ar: {} }));
  const { report } = await runComparison(setting);
  const out = join(setting.folder, "finished");
  for (const name of ["ar", "judge"]) {
    await writeFinishedRun(join(setting.out, name), join(out, name));
    expect([await isFinishedRun(join(setting.out, name)), await isFinishedRun(join(out, name))]).toEqual([false, true]);
  }
  expect(readdirSync(join(out, "ar")).toSorted()).toEqual([
    "config.json",
    "metrics.jsonl",
    "model.safetensors",
    "recipe.yaml",
    "tokenizer.json",
  ]);
  const heard: string[] = [];
  const again = await runComparison(
    { ...setting, out },
    { onMetric: (name) => void heard.push(name), onTraining: (name, steps) => void heard.push(`${name} ${steps}`) },
  );
  expect(heard.toSorted()).toEqual(["ar 4", "judge 8"]);
  const [trained, finished] = [report.models.ar!, again.report.models.ar!];
  for (const key of ["tokensSeen", "trainingSeconds", "curve", "parameters", "differs"] as const)
    expect(finished[key]).toEqual(trained[key]);
  // Weights in half precision are off by 2⁻¹¹ of themselves at most; the value here is of order 3.
  const nats = (model: typeof trained) => (model.likelihood as { natsPerToken: { value: number } }).natsPerToken.value;
  expect(Math.abs(nats(finished) - nats(trained))).toBeLessThan(0.01);

  const metrics = join(out, "ar", "metrics.jsonl");
  const half = readFileSync(metrics, "utf8")
    .split("\n")
    .filter((line) => !/"step":[34],/.test(line));
  writeFileSync(metrics, half.join("\n"));
  const error = await runComparison({ ...setting, out }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(/ar: a run that ended at step 2 of 4, without a checkpoint to go on from; give the whole run/);
});

test("refuses a folder that is no run, or is not at its end, and to write into one that is", async () => {
  const setting = comparisonSetting((recipe) => (recipe.contestants = { ar: {} }));
  await runComparison(setting);
  await expect(writeFinishedRun(setting.folder, join(setting.folder, "x"))).rejects.toThrow(UserError);
  const recipe = join(setting.out, "judge", "recipe.yaml");
  writeFileSync(recipe, readFileSync(recipe, "utf8").replace("steps: 8", "steps: 9"));
  await expect(writeFinishedRun(join(setting.out, "judge"), join(setting.folder, "x"))).rejects.toThrow(
    /judge: is at step 8 of 9; train it/,
  );
  expect(existsSync(join(setting.folder, "x"))).toBe(false);
  await expect(writeFinishedRun(join(setting.out, "ar"), join(setting.out, "judge"))).rejects.toThrow(/is a training run/);
});
