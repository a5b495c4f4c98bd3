/** A written text as one works on it: tokens are locked, unlocked and replaced, and what is not kept is written again. */
import type { Token } from "../parts/history.ts";

export type Draft = readonly Token[];

/** Positions `begin` (included) to `end` (not included). */
interface Stretch {
  readonly begin: number;
  readonly end: number;
}

/** What is open cannot be locked: there is nothing to keep. */
export const lock = (draft: Draft, { begin, end }: Stretch, locked: boolean): Draft =>
  draft.map((token, i) => (i >= begin && i < end && !token.open ? { ...token, locked } : token));

/** Other tokens in the place of some: any number, none too. They are locked, as they were chosen. */
export const replace = (draft: Draft, { begin, end }: Stretch, ids: readonly number[]): Draft => [
  ...draft.slice(0, begin),
  ...ids.map((id): Token => ({ id, open: false, locked: true })),
  ...draft.slice(end),
];

/** The template that keeps some tokens, each as it is, and writes the rest. */
export function templateOf(draft: Draft, keeps: (token: Token) => boolean): ({ given: number[] } | { tokens: number })[] {
  const pieces: ReturnType<typeof templateOf> = [];
  for (const token of draft) {
    const last = pieces.at(-1);
    if (keeps(token)) {
      if (last && "given" in last) last.given.push(token.id);
      else pieces.push({ given: [token.id] });
    } else if (last && "tokens" in last) last.tokens++;
    else pieces.push({ tokens: 1 });
  }
  return pieces;
}
