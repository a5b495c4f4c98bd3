/** metrics.jsonl of a run's folder: one JSON object a line, appended as the run goes on; a resumed run drops what came after its checkpoint. */
import { appendLine, exists, joinPath, readFile, writeFileAtomic } from "#platform";
import type { Objective } from "../objectives/objective.ts";

/** One line of metrics.jsonl. */
export type Metric =
  | {
      readonly kind: "step";
      readonly step: number;
      readonly tokens: number;
      readonly seconds: number;
      /** Nats a token on this batch, as the objective has it: of score entropy at t ≥ 1e-3, so noisy and no bound. */
      readonly loss: number;
      readonly gradientNorm: number;
      readonly learningRate: number;
      readonly length: number;
    }
  | {
      readonly kind: "validation";
      readonly step: number;
      readonly tokens: number;
      readonly seconds: number;
      /** What natsPerToken is: a bound on −log p, the exact value, or neither. */
      readonly measure: Objective["measure"];
      readonly natsPerToken: number;
      readonly standardError: number;
    }
  | { readonly kind: "sample"; readonly step: number; readonly seed: number; readonly text: string }
  /** What the steps after `step` are computed on: whose seconds theirs are. */
  | { readonly kind: "machine"; readonly step: number; readonly machine: string; readonly threads: number };

export const METRICS = "metrics.jsonl";

export const appendMetric = (folder: string, metric: Metric): Promise<void> =>
  appendLine(joinPath(folder, METRICS), JSON.stringify(metric));

/** What a folder's metrics tell of one step. */
export async function metricsAt(folder: string, step: number): Promise<Metric[]> {
  const path = joinPath(folder, METRICS);
  if (!(await exists(path))) return [];
  const lines = new TextDecoder().decode(await readFile(path)).split("\n");
  return lines.filter((line) => stepOf(line) === step).map((line) => JSON.parse(line) as Metric);
}

/**
 * Drops the lines of later steps than `step`, which a run that goes on from there will write again, and any line that a crash cut (read
 * without insisting on UTF-8: the cut may lie inside a character). Written atomically, and only where something changes.
 */
export async function dropMetricsAfter(folder: string, step: number): Promise<void> {
  const path = joinPath(folder, METRICS);
  if (!(await exists(path))) return;
  const text = new TextDecoder().decode(await readFile(path));
  const kept = text
    .split("\n")
    .filter((line) => (stepOf(line) ?? Infinity) <= step)
    .map((line) => `${line}\n`)
    .join("");
  if (kept !== text) await writeFileAtomic(path, kept);
}

/** The step of a whole line, `undefined` for anything else. */
function stepOf(line: string): number | undefined {
  try {
    const step: unknown = (JSON.parse(line) as { step?: unknown } | null)?.step;
    return typeof step === "number" ? step : undefined;
  } catch {
    return undefined;
  }
}
