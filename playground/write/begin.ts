/** Begins a run with the settings of the page. */
import { signal } from "@preact/signals";
import type { Template } from "sedd";
import { ask, asked } from "../session/link.ts";
import { openModel } from "../session/model.ts";
import { run, startRun } from "../session/run.ts";

/** The seed stays from run to run. */
export const keepSeed = signal(false);

export const drawSeed = (): void => ask({ seed: crypto.getRandomValues(new Uint32Array(1))[0]! });

/** Writes. A seed that is not kept is used once, so the one shown is that of the text shown. What is wrong with a model its bar says. */
export async function begin(template: Template): Promise<void> {
  const last = run.value?.source;
  if (!keepSeed.value && last?.kind === "asked" && last.request.seed === asked.value.seed) drawSeed();
  const backend = await openModel().catch(() => undefined);
  if (backend) await startRun(backend, { ...asked.value, template });
}
