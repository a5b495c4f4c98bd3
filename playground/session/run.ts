/** A run of the model: its frames as they come, kept for the slider. Write shows the last one and Scrub goes through it; an opened file is one too. */
import { signal } from "@preact/signals";
import { sameModel, type Backend, type Frame, type Generated, type GenerateRequest, type ModelCard } from "../backend/backend.ts";
import { messageOf } from "../message.ts";
import { tokenTexts, type TokenTexts } from "../parts/token-texts.ts";
import { card } from "./model.ts";

export interface Run {
  /** What was asked, or the file that holds it, and what the model is called there. */
  readonly source: { readonly model: string; readonly vocabularySize: number } & (
    | { readonly kind: "asked"; readonly request: GenerateRequest }
    | { readonly kind: "file"; readonly name: string }
  );
  /** The model that wrote it, or that its file was opened with. */
  readonly card: ModelCard;
  /** Of its tokens. */
  readonly texts: TokenTexts;
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

/** Why the model that is loaded cannot go on with a run, nor be asked about it; undefined where it can, and where none is loaded yet. */
export function otherModel({ card: own }: Pick<Run, "card">): string | undefined {
  const now = card.value;
  if (!now || sameModel(now, own)) return undefined;
  const called = ({ name, vocabularySize }: ModelCard): string => `${name} (${vocabularySize} tokens)`;
  return `The model that is loaded, ${called(now)}, is not that of this text, ${called(own)}: only that one can write on or be asked about it.`;
}

let controller: AbortController | undefined;
/** What a run that comes to nothing leaves. */
let before: Run | undefined;

/** Begins a run and stops one that goes on. Resolves at its end, however it ends. Where it fails or is stopped before its first frame, the run before it stays. */
export async function startRun(backend: Backend, request: GenerateRequest): Promise<void> {
  stopRun();
  const own = (controller = new AbortController());
  const last = run.value;
  // One that has only just begun has come to nothing itself. One that is stopped here never tells its end: it is not the one shown.
  if (!last || last.frames[0]!.length > 0) before = last?.state === "running" ? { ...last, state: "stopped" } : last;
  mistake.value = undefined;
  const { name: model, vocabularySize, mask } = backend.card;
  const texts = tokenTexts(backend);
  const begin = {
    source: { kind: "asked", request, model, vocabularySize },
    ...{ card: backend.card, texts, mask, sampler: request.sampler ?? "left-to-right" },
  } as const;
  const frames: Frame[][] = Array.from({ length: request.count }, () => []);
  /** Frames that were not shown yet. */
  let fresh: Frame[] = [];
  const show = (change: Pick<Run, "state" | "result">): void => {
    if (controller !== own) return;
    // Asked now: another model may be loaded when they are looked at.
    learn(texts, mask, fresh);
    fresh = [];
    // Lists are new ones at every frame, as signals compare by identity.
    run.value = { ...begin, ...change, frames: frames.map((list) => [...list]) };
  };
  let scheduled = false;
  let over = false;
  show({ state: "running" });
  try {
    const result = await backend.generate(request, {
      signal: own.signal,
      onFrame(frame) {
        frames[frame.sequence]!.push(frame);
        fresh.push(frame);
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
    if (controller !== own) return;
    if (frames[0]!.length === 0) run.value = before;
    if (!own.signal.aborted) mistake.value = messageOf(error);
  }
}

export const stopRun = (): void => controller?.abort();

/** Shows an opened recording in the place of the last run. */
export function showRun(opened: Run): void {
  stopRun();
  controller = undefined;
  mistake.value = undefined;
  for (const frames of opened.frames) learn(opened.texts, opened.mask, frames);
  run.value = opened;
}

/** Asks for the texts of all tokens that frames bring. */
function learn(texts: TokenTexts, mask: number | undefined, frames: readonly Frame[]): void {
  for (const { step, tokens, changed } of frames)
    for (const token of step === 0 ? tokens : changed.map((position) => tokens[position]!)) if (token !== mask) texts.of(token);
}
