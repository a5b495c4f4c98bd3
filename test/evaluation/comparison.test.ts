/** A whole comparison, of all objectives, from recipe to report; a second one, one that was stopped, and one with other weights. */
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cores } from "#platform";
import { readComparison } from "../../src/evaluation/comparison-recipe.ts";
import type { MeasureName } from "../../src/evaluation/evaluate.ts";
import { contestantNames, reportSchema, type Report } from "../../src/evaluation/report/schema.ts";
import { readModel } from "../../src/model.ts";
import { readProgress } from "../../src/training/checkpoint.ts";
import { train } from "../../src/training/train.ts";
import { comparisonSetting, reportOf, runComparison } from "./comparison-fixture.ts";

/** Files with the time of their last change; locks come and go. */
const filesOf = (folder: string): Record<string, number> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: "utf8" })
      .filter((name) => statSync(join(folder, name)).isFile())
      .map((name) => [name, statSync(join(folder, name)).mtimeMs]),
  );

test("all objectives are trained, measured and reported; again, and nothing is done again; stopped, and it goes on", async () => {
  const setting = comparisonSetting();
  const measured: string[] = [];
  const stop = new AbortController();
  const stopped = runComparison(setting, {
    signal: stop.signal,
    onMeasure(name, { measure, kept }) {
      measured.push(`${name} ${measure} ${kept}`);
      stop.abort();
    },
  });
  await expect(stopped).rejects.toThrow(stop.signal.reason as Error);
  expect(measured).toEqual(["sedd-absorb likelihood false"]);
  const before = filesOf(setting.out);

  const seen: [string, MeasureName, boolean][] = [];
  const { report, written } = await runComparison(setting, {
    onMeasure: (name, { measure, kept }, { done, total }) => {
      seen.push([name, measure, kept]);
      expect([done, total]).toEqual([seen.length, 36]);
    },
  });
  expect(written).toBe(true);
  expect(seen).toHaveLength(36);
  expect(seen.filter(([, , kept]) => kept)).toEqual([["sedd-absorb", "likelihood", true]]);
  const after = filesOf(setting.out);
  for (const [name, time] of Object.entries(before)) expect([name, after[name]]).toEqual([name, time]);
  checkReport(report);
  expect(reportSchema.parse(JSON.parse(reportOf(setting.out)))).toEqual(reportSchema.parse(JSON.parse(JSON.stringify(report))));

  const again: boolean[] = [];
  // Another machine, on which nothing is measured: the seconds are still the first one's.
  const elsewhere = await runComparison(setting, { machine: "another", onMeasure: (_, { kept }) => void again.push(kept) });
  expect([elsewhere.written, elsewhere.report.machine]).toEqual([false, "a machine"]);
  expect(again).toEqual(Array.from({ length: 36 }, () => true));
  expect(filesOf(setting.out)).toEqual(after);
});

/** What must hold whatever the numbers are. */
function checkReport({ models, protocols, reference, machine }: Report): void {
  expect(Object.keys(models)).toEqual(contestantNames);
  const kinds = contestantNames.map((name) => [name, (models[name]!.likelihood as { kind: string }).kind]);
  expect(kinds).toEqual([
    ["sedd-absorb", "bound"],
    ["sedd-uniform", "bound"],
    ["mlm", "pseudo"],
    ["ardm", "bound"],
    ["ar", "exact"],
    ["sedd-l2", "bound"],
  ]);
  expect(models.ar).toMatchObject({
    tokensSeen: 256,
    likelihood: { natsPerToken: { standardError: 0 } },
    infilling: { kind: "exact", bothSides: { not: expect.any(String) }, leftOnly: { standardError: 0 } },
    masked: { not: expect.any(String) },
    quality: { points: [{ steps: 16 }] },
  });
  expect(models["sedd-uniform"]).toMatchObject({ masked: { not: expect.any(String) }, quality: { points: [{ steps: 4 }, { steps: 32 }] } });
  expect(models.ardm).toMatchObject({ quality: { points: [{ steps: 4 }, { steps: 16 }] }, generation: { steps: 8 } });
  expect(models.mlm).toMatchObject({ infilling: { kind: "bound" }, masked: { points: [{ rate: 0.1 }, { rate: 0.5 }] } });
  expect(models.mlm!.samples).toMatchObject([{ seed: 0 }, { seed: 1 }]);
  expect(models.ar!.differs).toMatch(/left; not told σ/);
  expect(models["sedd-absorb"]!.differs).toMatch(/both sides; told σ, through 8 numbers/);
  expect(reference).toMatchObject({ protocol: "generation" });
  expect(machine).toBe("a machine");
  expect(Object.keys(protocols)).toEqual(["likelihood", "validation", "generation", "mauve", "quality", "infilling", "masked", "speed"]);
  for (const card of Object.values(protocols)) expect(Object.values(card).join()).not.toMatch(/undefined|NaN|\[object/);
}

test("minutes of training are steps by the clock of the first ones, and the same ones when it is asked again", async () => {
  const setting = comparisonSetting((recipe) => {
    recipe.training["schedule"] = { minutes: 0.02, warmup: 2, decay: "linear" };
    recipe.contestants = { ar: {} };
  });
  const begun: [string, number][] = [];
  const trained = async () => {
    const { report } = await runComparison(setting, { onTraining: (name, steps) => void begun.push([name, steps]) });
    return report.models.ar!;
  };
  const { tokensSeen, trainingSeconds } = await trained();
  const of = (which: string) => begun.filter(([name]) => name === which);
  expect(of("ar")).toEqual([
    ["ar", 30],
    ["ar", tokensSeen / 64],
  ]);
  expect(of("judge")).toEqual([["judge", 8]]);
  expect(tokensSeen / 64).toBeGreaterThan(30);
  // Of the steps alone, undisturbed: never more than the run's own clock.
  expect(trainingSeconds).toBeGreaterThan(0);
  expect(trainingSeconds).toBeLessThan((await readProgress(join(setting.out, "ar"))).seconds);
  begun.length = 0;
  expect(await trained()).toMatchObject({ tokensSeen, trainingSeconds });
  expect(of("ar")).toEqual([["ar", tokensSeen / 64]]);
  expect(of("judge")).toEqual([["judge", 8]]);
});

test("trainings side by side are those that come one after another, to the bit; where one is refused none begins", async () => {
  const setting = comparisonSetting((recipe) => (recipe.contestants = { "sedd-absorb": {}, ar: {} }));
  const { contestants } = await readComparison(setting.recipe);
  const ar = contestants.get("ar")!.recipe;
  await train({ recipe: { ...ar, seed: 9 }, out: join(setting.out, "ar") });
  await expect(runComparison(setting)).rejects.toThrow(/seed: 1, but the run in .*ar .* was begun with 9/);
  expect(existsSync(join(setting.out, "sedd-absorb"))).toBe(false);
  rmSync(join(setting.out, "ar"), { recursive: true });
  const order: string[] = [];
  await runComparison(setting, { onMetric: (name, { kind }) => void (kind === "step" && order.push(name)) });
  // Two of one thread each on two cores: the second begins before the first has ended.
  if (cores() > 1) expect(order.lastIndexOf("judge")).toBeGreaterThan(order.indexOf("ar"));
  const alone = join(setting.folder, "alone");
  await train({ recipe: ar, out: alone });
  const [beside, byItself] = await Promise.all([join(setting.out, "ar"), alone].map((folder) => readModel(folder)));
  expect(beside!.parameters).toEqual(byItself!.parameters);
});
