/** What the model says of a frame's positions, asked when the slider rests on it, once a frame. */
import { useEffect, useState } from "preact/hooks";
import type { PositionLaw } from "sedd";
import type { Backend, Frame } from "../backend/backend.ts";
import { messageOf } from "../message.ts";

/** Milliseconds that the slider rests. */
const REST = 200;
const TOP = 8;

const told = new WeakMap<Backend, WeakMap<Frame, readonly PositionLaw[]>>();

export type Laws =
  /** There is nobody to ask, and why. */
  | { readonly kind: "silent"; readonly message: string }
  | { readonly kind: "asking" }
  | { readonly kind: "told"; readonly laws: readonly PositionLaw[] }
  | { readonly kind: "failed"; readonly message: string };

/** `frame` undefined: nothing is asked yet. */
export function useLaws(backend: Backend | undefined, frame: Frame | undefined): Laws {
  const [answer, setAnswer] = useState<{ readonly frame: Frame | undefined; readonly laws: Laws }>();
  useEffect(() => {
    if (!backend || !frame) return;
    const known = told.get(backend) ?? new WeakMap<Frame, readonly PositionLaw[]>();
    told.set(backend, known);
    const show = (laws: readonly PositionLaw[]): void => setAnswer({ frame, laws: { kind: "told", laws } });
    // Without noise nothing is open any more.
    const laws = frame.sigma > 0 ? known.get(frame) : [];
    if (laws) return show(laws);
    const controller = new AbortController();
    const { signal } = controller;
    const ask = async (): Promise<void> => {
      try {
        const laws = await backend.laws(frame.tokens, frame.sigma, { top: TOP, signal });
        known.set(frame, laws);
        show(laws);
      } catch (error) {
        if (!signal.aborted) setAnswer({ frame, laws: { kind: "failed", message: messageOf(error) } });
      }
    };
    const timer = setTimeout(() => void ask(), REST);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [backend, frame]);
  return answer && answer.frame === frame ? answer.laws : { kind: "asking" };
}
