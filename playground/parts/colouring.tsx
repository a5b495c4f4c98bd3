/** How tokens are coloured, and what the colours mean. Words say the same: each token's name has its step and probability. */
import { signal } from "@preact/signals";
import { Choice, named } from "./choice.tsx";
import type { Token } from "./history.ts";

const colourings = { confidence: "by confidence", age: "by age", none: "not" } as const;
type Colouring = keyof typeof colourings;
export const colouring = signal<Colouring>("confidence");

export const LEVELS = 5;

/** A token's level of colour, from 0; undefined: none. Confidence: the surer, the higher. Age: the later it came, the higher. */
export function levelOf({ open, step, probability }: Token, by: Colouring, steps: number): number | undefined {
  const share = by === "confidence" ? probability : by === "age" && step !== undefined && !open ? step / steps : undefined;
  return share === undefined ? undefined : Math.min(LEVELS - 1, Math.floor(share * LEVELS));
}

export const percent = (probability: number): string =>
  probability >= 0.001 ? `${(100 * probability).toFixed(probability < 0.1 ? 1 : 0)} %` : "below 0.1 %";

/** The choice, and each level with its numbers. */
export function Colouring({ steps }: { readonly steps: number }) {
  const by = colouring.value;
  const bound = (level: number): string => (by === "confidence" ? `${(100 * level) / LEVELS}` : `${Math.round((steps * level) / LEVELS)}`);
  return (
    <div class="colouring">
      <Choice label="Tokens coloured" value={by} options={named(colourings)} onValue={(next) => void (colouring.value = next)} />
      {by !== "none" && (
        <p class="legend">
          {by === "confidence" ? "Probability when written:" : "Written at step:"}
          {Array.from({ length: LEVELS }, (_, level) => (
            <span key={level} class="swatch" data-level={level}>
              {bound(level)}–{bound(level + 1)}
              {by === "confidence" && " %"}
            </span>
          ))}
        </p>
      )}
      <p class="legend">
        <span class="token locked">underlined</span> stays, <span class="token open" aria-hidden="true" /> is still to be written
      </p>
    </div>
  );
}
