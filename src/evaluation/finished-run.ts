/**
 * A finished training without what going on would need: the averaged weights in half precision, recipe and metrics, an eighth of a checkpoint's size. A folder of a
 * comparison may hold it in place of the run: it is measured, and never trained.
 */
import { exists, joinPath, readText, writeFileAtomic } from "#platform";
import { readModel, saveModel } from "../model.ts";
import { UserError } from "../platform/errors.ts";
import { hasCheckpoint, readProgress } from "../training/checkpoint.ts";
import { METRICS, metricsAt } from "../training/metrics.ts";
import { readRecipe } from "../training/recipe.ts";
import { outstanding } from "../training/train.ts";

/** What a run of so many minutes is, which its recipe, in steps, does not say. */
export const PLAN = "plan.json";

export async function isFinishedRun(folder: string): Promise<boolean> {
  if (await hasCheckpoint(folder)) return false;
  const files = await Promise.all(["config.json", "model.safetensors", METRICS].map((name) => exists(joinPath(folder, name))));
  return files.every(Boolean);
}

/** @throws UserError for a folder that is no run or is not at its end, or one to write to that is a run itself */
export async function writeFinishedRun(run: string, out: string): Promise<void> {
  const [{ step }, recipe] = [await readProgress(run), await readRecipe(joinPath(run, "recipe.yaml"))];
  const { steps } = recipe.schedule;
  if (step < steps) throw new UserError(`${run}: is at step ${step} of ${steps}; train it to its end first`);
  if (outstanding(recipe, step, await metricsAt(run, step)).validation)
    throw new UserError(`${run}: its last validation was interrupted; going on with the training makes up for it`);
  await saveModel(out, { ...(await readModel(run)), dtype: "F16" });
  for (const name of ["recipe.yaml", METRICS, PLAN])
    if (name !== PLAN || (await exists(joinPath(run, name))))
      await writeFileAtomic(joinPath(out, name), await readText(joinPath(run, name)));
}
