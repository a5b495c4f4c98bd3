/** A run of the model: its frames as they come, kept for the slider. Write shows the last one and Scrub goes through it; an opened file is one too. */
import { signal } from "@preact/signals";
import type { Backend, Frame, Generated, GenerateRequest } from "../backend/backend.ts";
import { messageOf } from "../message.ts";

export interface Run {
  /** What was asked, or the file that holds it, and the model. */
  readonly source: { readonly model: string; readonly vocabularySize: number } & (
    | { readonly kind: "asked"; readonly request: GenerateRequest }
    | { readonly kind: "file"; readonly name: string }
  );
  /** Absorb: the state that stands for a token not yet written. */
  readonly mask: number | undefined;
  readonly sampler: string;
  /** Frames of each text, in order; the first is the beginning. */
  readonly frames: readonly (readonly Frame[])[];
  readonly state: "running" | "done" | "stopped";
  readonly result?: Generated;
}

export const run = signal<Run | undefined>(undefined);
/** What went wrong with the last request, in a line. */
export const mistake = signal<string | undefined>(undefined);

let controller: AbortController | undefined;

/** Begins a run and stops one that goes on. Resolves at its end, however it ends. Where it fails before its first frame, the run before it stays. */
export async function startRun(backend: Backend, request: GenerateRequest): Promise<void> {
  stopRun();
  const own = (controller = new AbortController());
  const before = run.value;
  mistake.value = undefined;
  const { name: model, vocabularySize, mask } = backend.card;
  const begin = { source: { kind: "asked", request, model, vocabularySize }, mask, sampler: request.sampler } as const;
  const frames: Frame[][] = Array.from({ length: request.count }, () => []);
  const show = (change: Pick<Run, "state" | "result">): void => {
    // Lists are new ones at every frame, as signals compare by identity.
    if (controller === own) run.value = { ...begin, ...change, frames: frames.map((list) => [...list]) };
  };
  let scheduled = false;
  let over = false;
  show({ state: "running" });
  try {
    const result = await backend.generate(request, {
      signal: own.signal,
      onFrame(frame) {
        frames[frame.sequence]!.push(frame);
        // At most one update a picture: frames may come faster.
        if (!scheduled)
          requestAnimationFrame(() => {
            scheduled = false;
            if (!over) show({ state: "running" });
          });
        scheduled = true;
      },
    });
    over = true;
    show({ state: "done", result });
  } catch (error) {
    over = true;
    show({ state: "stopped" });
    if (own.signal.aborted || controller !== own) return;
    mistake.value = messageOf(error);
    if (frames[0]!.length === 0) run.value = before;
  }
}

export const stopRun = (): void => controller?.abort();

/** Shows an opened recording in the place of the last run. */
export function showRun(opened: Run): void {
  stopRun();
  controller = undefined;
  mistake.value = undefined;
  run.value = opened;
}
