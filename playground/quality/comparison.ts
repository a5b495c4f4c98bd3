/** The comparison that goes on, or the last one: kept while other views are looked at. */
import { computed, signal } from "@preact/signals";
import { messageOf } from "../message.ts";
import { openModel } from "../session/model.ts";
import { averages } from "./average.ts";
import { compare, type Outcome, type Wanted } from "./compare.ts";

export interface Comparison {
  readonly wanted: Wanted;
  readonly outcomes: readonly Outcome[];
  readonly state: "running" | "done" | "stopped" | "failed";
  /** What is done now, or what went wrong. */
  readonly message: string;
}

export const comparison = signal<Comparison | undefined>(undefined);
export const outcomes = computed(() => comparison.value?.outcomes ?? []);
export const rows = computed(() => averages(outcomes.value));

let controller: AbortController | undefined;

/** Begins a comparison; one that goes on is stopped. */
export async function startComparison(wanted: Wanted): Promise<void> {
  controller?.abort();
  const own = (controller = new AbortController());
  const { signal } = own;
  comparison.value = { wanted, outcomes: [], state: "running", message: "Loading the model" };
  const change = (part: Partial<Comparison>): void => {
    if (controller === own) comparison.value = { ...comparison.value!, ...part };
  };
  try {
    const stopped = new Promise<never>((_, reject) =>
      signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true }),
    );
    const backend = await Promise.race([openModel(), stopped]);
    if (backend.card.leftToRight)
      throw new Error("this model writes one token a step, from left to right: it has no number of steps to choose");
    await compare(backend, wanted, {
      signal,
      onBegin: (run) => change({ message: run ? `Writing with ${run.steps} steps, seed ${run.seed}` : "Warming up, which is not counted" }),
      onOutcome: (outcome) => change({ outcomes: [...comparison.value!.outcomes, outcome] }),
    });
    change({ state: "done", message: "Done" });
  } catch (error) {
    if (signal.aborted) change({ state: "stopped", message: "Stopped" });
    else change({ state: "failed", message: messageOf(error) });
  }
}

export const stopComparison = (): void => controller?.abort();
