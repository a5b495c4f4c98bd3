/** The comparison in the repository is whole: every model opens and is the one that was measured, and docs/comparison.md tells the report's numbers. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readComparison } from "../../src/evaluation/comparison-recipe.ts";
import { checkRun } from "../../src/evaluation/contestants.ts";
import { isFinishedRun } from "../../src/evaluation/finished-run.ts";
import { contestantsOf } from "../../src/evaluation/report/tables.ts";
import { figures } from "../../src/evaluation/report/figures.ts";
import { reportPage } from "../../src/evaluation/report/html.ts";
import { withError } from "../../src/evaluation/report/numbers.ts";
import { type Contestant, contestantNames, given, reportSchema } from "../../src/evaluation/report/schema.ts";
import { load, readModel } from "../../src/model.ts";
import { fingerprint } from "../../src/objectives/fingerprint.ts";

const FOLDER = "comparison";
const report = reportSchema.parse(JSON.parse(readFileSync(join(FOLDER, "report.json"), "utf8")));
const models = contestantsOf(report);
const runs = [...contestantNames, "judge"] as const;

test("five objectives and the ℓ2 loss are measured on as many tokens, likelihoods to within 1 %", () => {
  expect(models.map(([name]) => name)).toEqual(contestantNames);
  expect(new Set(models.map(([, { tokensSeen }]) => tokensSeen)).size).toBe(1);
  for (const [, model] of models) {
    const { value, standardError } = given(model.likelihood)!.natsPerToken;
    expect(standardError).toBeLessThanOrEqual(0.01 * value);
    for (const section of [model.curve, model.generation, model.mauve, model.quality, model.infilling])
      expect(given(section)).toBeDefined();
  }
});

test.each(runs)("%s is a finished run of the recipe in the repository, of no more than 16 MB", async (name) => {
  const { contestants, judge } = await readComparison("recipes/compare.yaml");
  const plan = name === "judge" ? judge : contestants.get(name);
  if (plan === undefined || typeof plan === "string") throw new Error(`recipes/compare.yaml trains no ${name}`);
  expect(await isFinishedRun(join(FOLDER, name))).toBe(true);
  await checkRun(plan, join(FOLDER, name));
  expect(statSync(join(FOLDER, name, "model.safetensors")).size).toBeLessThanOrEqual(16 * 1024 * 1024);
});

test.each(contestantNames)("%s was measured with the weights that lie here", async (name) => {
  const { parameters, config } = await readModel(join(FOLDER, name));
  const { graph, objective, loss } = config.sedd;
  expect(objective ?? (loss === "l2" ? "sedd-l2" : `sedd-${graph}`)).toBe(name);
  const weights = await fingerprint(parameters);
  for (const measure of ["likelihood", "infilling", "generation", "mauve", "quality"]) {
    const { key } = JSON.parse(readFileSync(join(FOLDER, "evaluation", name, `${measure}.json`), "utf8")) as { key: { weights: string } };
    expect([measure, key.weights]).toEqual([measure, weights]);
  }
});

test("ar's exact likelihood, measured again", async () => {
  const model = await load(join(FOLDER, "ar"));
  const { natsPerToken } = await model.likelihood(readFileSync("data/fairytales/test.txt", "utf8"));
  await model.dispose();
  const { value } = given(report.models.ar!.likelihood)!.natsPerToken;
  // Other processors add in another order: float32 sums of some hundred terms.
  expect(Math.abs(natsPerToken / value - 1)).toBeLessThan(1e-4);
}, 300_000);

test("report.html and the plots are those of report.json", async () => {
  expect(readFileSync(join(FOLDER, "report.html"), "utf8")).toBe(await reportPage(report));
  for (const plot of Object.values(figures(report)).flat()) expect(existsSync(join(FOLDER, "plots", `${plot.id}.svg`))).toBe(true);
});

test("docs/comparison.md tells the report's numbers, and shows its plots", () => {
  const page = readFileSync("docs/comparison.md", "utf8");
  const rowsOf = (name: Contestant): string =>
    page
      .split("\n")
      .filter((line) => line.startsWith(`| \`${name}\` |`))
      .join("\n");
  for (const [name, model] of models) {
    const rows = rowsOf(name);
    for (const estimate of [given(model.likelihood)!.natsPerToken, given(model.generation)!.perplexity, given(model.mauve)!])
      expect(rows).toContain(withError(estimate));
  }
  for (const plot of Object.values(figures(report)).flat()) expect(page).toContain(`../comparison/plots/${plot.id}.svg`);
});
