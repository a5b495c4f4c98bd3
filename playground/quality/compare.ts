/** The same seeds at several numbers of steps: one run after the other, each text then measured. */
import type { SamplerName } from "sedd";
import type { Backend, Bound, Frame } from "../backend/backend.ts";

export interface Wanted {
  readonly template: string;
  /** In tokens, what `[[ ]]` fills up to. */
  readonly length: number;
  readonly sampler: SamplerName;
  readonly steps: readonly number[];
  readonly seeds: readonly number[];
}

/** What a run did at its steps; no network is asked. */
export interface Changes {
  /** Steps that changed something. */
  readonly changing: number;
  /** Steps taken; the final denoise is none. First-hitting takes no more than there are tokens to write. */
  readonly of: number;
  /** The most tokens that changed at once, the final denoise included. */
  readonly most: number;
}

export interface Outcome {
  readonly steps: number;
  readonly seed: number;
  readonly text: string;
  readonly milliseconds: number;
  readonly bound: Bound;
  readonly changes: Changes;
}

/** Noisy copies of each text that its bound is estimated from, at noise drawn from one seed, so that texts compare. */
export const boundSamples = 8;
const boundSeed = 0;

export interface CompareOptions {
  readonly signal: AbortSignal;
  /** What begins: the warm-up (undefined), or a run. */
  readonly onBegin: (run: { readonly steps: number; readonly seed: number } | undefined) => void;
  readonly onOutcome: (outcome: Outcome) => void;
}

/** Rejects with the signal's reason when stopped; outcomes that came before stand. */
export async function compare(
  backend: Backend,
  { steps, seeds, ...request }: Wanted,
  { signal, onBegin, onOutcome }: CompareOptions,
): Promise<void> {
  const one = async (steps: number, seed: number): Promise<Outcome> => {
    const frames: Frame[] = [];
    const onFrame = (frame: Frame): void => void frames.push(frame);
    const { texts, milliseconds } = await backend.generate({ ...request, steps, seed, count: 1 }, { signal, onFrame });
    const text = texts[0]!;
    const bound = await backend.likelihood(text, { samples: boundSamples, seed: boundSeed, signal });
    return { steps, seed, text, milliseconds, bound, changes: changesOf(frames) };
  };
  // The first runs at a length, with many tokens a step and with few, also prepare the network for it, which is no part of any run's time.
  onBegin(undefined);
  for (const count of new Set([1, Math.min(...steps)])) await one(count, seeds[0]!);
  for (const seed of seeds)
    for (const count of steps) {
      signal.throwIfAborted();
      onBegin({ steps: count, seed });
      onOutcome(await one(count, seed));
    }
}

/** @param frames of one text, in order */
export function changesOf(frames: readonly Frame[]): Changes {
  const predicted = frames.filter(({ step, time }) => step > 0 && time > 0);
  return {
    changing: predicted.filter(({ changed }) => changed.length > 0).length,
    of: frames[0]?.steps ?? 0,
    most: Math.max(0, ...frames.map(({ changed }) => changed.length)),
  };
}
