/** The trainings of a comparison: each objective in a folder of its own, by the same `train` as `sedd train`, begun, gone on with, or done already. */
import { joinPath, readText } from "#platform";
import { hasCheckpoint, readProgress } from "../training/checkpoint.ts";
import { METRICS, type Metric } from "../training/metrics.ts";
import type { Recipe } from "../training/recipe.ts";
import { train } from "../training/train.ts";
import type { Given, Model } from "./report/schema.ts";

export interface TrainingOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onMetric?: ((metric: Metric) => void) | undefined;
}

/** How a training ended. */
export interface Trained {
  readonly tokens: number;
  readonly seconds: number;
  readonly curve: Omit<Given<Model["curve"]>, "protocol">;
}

/**
 * Trains as far as the recipe says; a run that has come so far is left as it is.
 *
 * @throws the signal's reason once the run is saved; UserError for a folder in use or one of another recipe
 */
export async function trainContestant(recipe: Recipe, out: string, { signal, onMetric }: TrainingOptions): Promise<Trained> {
  const { interrupted } = await train({ recipe, out, resume: await hasCheckpoint(out), signal, onMetric });
  if (interrupted) signal?.throwIfAborted();
  const { tokens, seconds } = await readProgress(out);
  return { tokens, seconds, curve: await readCurve(out) };
}

/** The validations of a run, in their order. */
async function readCurve(out: string): Promise<Trained["curve"]> {
  const lines = (await readText(joinPath(out, METRICS))).trimEnd().split("\n");
  const validations = lines.map((line) => JSON.parse(line) as Metric).filter((metric) => metric.kind === "validation");
  return {
    kind: validations[0]!.measure,
    points: validations.map(({ tokens, seconds, natsPerToken, standardError }) => ({
      tokens,
      seconds,
      natsPerToken: { value: natsPerToken, standardError },
    })),
  };
}
