/** What the frames of a text tell of each position: where its token comes from, when it was written, how sure the model was. */
import type { Frame } from "../backend/backend.ts";

/** A position of a text, as it is shown. */
export interface Token {
  readonly id: number;
  /** Still to be written: its state stands for no token. */
  readonly open: boolean;
  /** Stays as it is when the rest is written again. */
  readonly locked: boolean;
  /** Of a token that the model wrote: the step of its last change, and how probable it was then, where that is known. */
  readonly step?: number | undefined;
  readonly probability?: number | undefined;
}

/** A change of one position. */
export interface Change {
  readonly frame: number;
  readonly step: number;
  readonly token: number;
  readonly probability: number | undefined;
}

/**
 * The probability that an open position is written in the step between two frames, which absorb knows beforehand: scores sum to 1/(e^σ − 1).
 * Divided by it, the probability of a draw says how sure the model was of the token, whatever the number of steps. First-hitting's and left-to-right's
 * events are certain to be written. Not known where no time passed: a corrector's draw.
 */
function writing(before: Frame, { sigma }: Frame, sampler: string): number | undefined {
  if (sampler === "first-hitting" || sampler === "left-to-right") return 1;
  return sigma < before.sigma ? Math.expm1(before.sigma - sigma) / Math.expm1(before.sigma) : undefined;
}

/** How the run's probabilities are to be read. */
export interface Reading {
  /** Absorb's open state. Without one (uniform) a probability is that of the change itself. */
  readonly mask: number | undefined;
  readonly sampler: string;
}

/** Each position's changes up to frame `last`, in order. */
export function changesOf(frames: readonly Frame[], { mask, sampler }: Reading, last = frames.length - 1): Change[][] {
  const changes: Change[][] = (frames[0]?.tokens ?? []).map(() => []);
  for (let k = 1; k <= last; k++) {
    const { changed, probability, step, tokens } = frames[k]!;
    const certain = mask === undefined ? 1 : writing(frames[k - 1]!, frames[k]!, sampler);
    changed.forEach((position, j) => {
      const token = tokens[position]!;
      const known = certain !== undefined && token !== mask;
      changes[position]!.push({ frame: k, step, token, probability: known ? Math.min(1, probability[j]! / certain) : undefined });
    });
  }
  return changes;
}

/** The text at frame `last`. */
export function tokensAt(frames: readonly Frame[], reading: Reading, last = frames.length - 1): Token[] {
  const frame = frames[last];
  if (!frame) return [];
  const given = new Set(
    frame.spans.flatMap(({ begin, end, given }) => (given ? Array.from({ length: end - begin }, (_, i) => begin + i) : [])),
  );
  const changes = changesOf(frames, reading, last);
  return frame.tokens.map((id, position) => {
    const { step, probability } = changes[position]!.at(-1) ?? {};
    return { id, open: id === reading.mask, locked: given.has(position), step, probability };
  });
}
