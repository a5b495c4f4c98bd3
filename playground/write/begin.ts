/** Begins a run with the settings of the page. */
import { signal } from "@preact/signals";
import type { Template } from "sedd";
import { sameModel } from "../backend/backend.ts";
import { ask, asked } from "../session/link.ts";
import { openModel } from "../session/model.ts";
import { run, startRun, stopRun, type Run } from "../session/run.ts";

/** A run is to begin once the model is there. */
export const waiting = signal(false);
let asking = 0;

/** Stops the run that goes on, and one that waits for the model. */
export function stop(): void {
  asking++;
  waiting.value = false;
  stopRun();
}

/** The seed stays from run to run. */
export const keepSeed = signal(false);

export const drawSeed = (): void => ask({ seed: crypto.getRandomValues(new Uint32Array(1))[0]! });

/**
 * Writes. A seed that is not kept is used once, so the one shown is that of the text shown. What is wrong with a model its bar says, and beside a text that
 * it is not the text's.
 *
 * @param from the run whose tokens the template holds
 */
export async function begin(template: Template, from?: Run): Promise<void> {
  const last = run.value?.source;
  if (!keepSeed.value && last?.kind === "asked" && last.request.seed === asked.value.seed) drawSeed();
  const own = ++asking;
  waiting.value = true;
  const backend = await openModel().catch(() => undefined);
  if (own !== asking) return;
  waiting.value = false;
  if (!backend || (from && !sameModel(backend.card, from.card))) return;
  const { steps, sampler, ...rest } = asked.value;
  await startRun(backend, { ...rest, ...(backend.card.leftToRight ? {} : { steps, sampler }), template });
}
