/** The smallest comparison of all objectives: networks of a few thousand parameters, characters as tokens, a text of a few hundred words. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { compareObjectives, type ComparisonOptions } from "../../src/evaluation/comparison.ts";
import { readComparison } from "../../src/evaluation/comparison-recipe.ts";
import { contestantNames } from "../../src/evaluation/report/schema.ts";
import { temporaryFolder, text, tinySections, writeCorpus } from "../training/support.ts";

type Sections = Record<string, unknown>;

/** The recipe as an object, to change. */
export function tinyComparison(folder: string): { training: Sections; contestants: Sections; judge: unknown; evaluation: Sections } {
  const corpus = writeCorpus(join(folder, "data"));
  const test = join(folder, "data", "test.txt");
  writeFileSync(test, text(600, 11));
  return {
    training: {
      ...tinySections(corpus),
      schedule: { tokens: 256, warmup: 2 },
      validation: { every: 2, windows: 32 },
    },
    contestants: Object.fromEntries(contestantNames.map((name) => [name, {}])),
    judge: { schedule: { tokens: 512 }, seed: 2 },
    evaluation: {
      test,
      likelihood: { least: 8, most: 8 },
      batch: 2,
      generation: { least: 8, most: 8, steps: 8 },
      quality: { steps: [4, 32], least: 8, most: 8 },
      mauve: { repetitions: 8 },
      infilling: { windows: 8, samples: 8 },
      masked: { rates: [0.5, 0.1], windows: 8 },
      samples: 2,
    },
  };
}

export interface Setting {
  readonly folder: string;
  readonly recipe: string;
  readonly out: string;
}

export function writeRecipe(folder: string, recipe: unknown): string {
  const path = join(folder, "tiny.yaml");
  writeFileSync(path, stringify(recipe));
  return path;
}

/** The recipe in a folder of this test's own, changed as the test wants it. */
export function comparisonSetting(change: (recipe: ReturnType<typeof tinyComparison>) => void = () => undefined): Setting {
  const folder = temporaryFolder();
  const recipe = tinyComparison(folder);
  change(recipe);
  return { folder, recipe: writeRecipe(folder, recipe), out: join(folder, "out") };
}

export const runComparison = async ({ recipe, out }: Setting, options: Partial<ComparisonOptions> = {}) =>
  compareObjectives({ recipe: await readComparison(recipe), out, command: `sedd compare ${recipe}`, machine: "a machine", ...options });

export const reportOf = (out: string): string => readFileSync(join(out, "report.json"), "utf8");
