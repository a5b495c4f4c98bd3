/** The learning rate over the run, as a factor on the recipe's rates. */
import type { Recipe } from "./recipe.ts";

/** Factor at `step` (from 1): linear warm-up, then constant, then a fall that would reach zero at the step after the last. */
export function learningRateFactor({ steps, warmup, decay, decayFrom }: Recipe["schedule"], step: number): number {
  const rise = warmup > 0 ? Math.min(1, step / warmup) : 1;
  const begin = Math.max(Math.floor(steps * decayFrom), warmup);
  if (decay === "none" || step <= begin) return rise;
  const done = Math.min(1, (step - begin) / (steps + 1 - begin));
  return rise * (decay === "linear" ? 1 - done : (1 + Math.cos(Math.PI * done)) / 2);
}

/** EMA decay after update n (from 1): min(d, (1+n)/(10+n)), so that early averages forget the initial weights. */
export const emaDecay = (decay: number, n: number): number => Math.min(decay, (1 + n) / (10 + n));
