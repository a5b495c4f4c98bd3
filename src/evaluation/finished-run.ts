/**
 * A finished training without what going on would need: the averaged weights in half precision, recipe and metrics, an eighth of a checkpoint's size. A folder of a
 * comparison may hold it in place of the run: it is measured, and never trained.
 */
import { exists, joinPath, readText, writeFileAtomic } from "#platform";
import { readModel, saveModel } from "../model.ts";
import { UserError } from "../platform/errors.ts";
import { hasCheckpoint, readProgress } from "../training/checkpoint.ts";
import { METRICS } from "../training/metrics.ts";
import { readRecipe } from "../training/recipe.ts";

export async function isFinishedRun(folder: string): Promise<boolean> {
  if (await hasCheckpoint(folder)) return false;
  const files = await Promise.all(["config.json", "model.safetensors", METRICS].map((name) => exists(joinPath(folder, name))));
  return files.every(Boolean);
}

/** @throws UserError for a folder that is no run or is not at its end, or one to write to that is a run itself */
export async function writeFinishedRun(run: string, out: string): Promise<void> {
  const [{ step }, { schedule }] = [await readProgress(run), await readRecipe(joinPath(run, "recipe.yaml"))];
  if (step < schedule.steps) throw new UserError(`${run}: is at step ${step} of ${schedule.steps}; train it to its end first`);
  await saveModel(out, { ...(await readModel(run)), dtype: "F16" });
  for (const name of ["recipe.yaml", METRICS]) await writeFileAtomic(joinPath(out, name), await readText(joinPath(run, name)));
}
