/** Two charts over the positions of a text: the entropy of each at this step, and when each was written. A click chooses a position. */
import { useMemo } from "preact/hooks";
import type { PositionLaw } from "sedd";
import type { Frame } from "../backend/backend.ts";
import type { Change } from "../parts/history.ts";

export interface AlongProps {
  readonly frames: readonly Frame[];
  /** Of each position, over the whole run. */
  readonly changes: readonly (readonly Change[])[];
  /** The frame that is shown. */
  readonly at: number;
  readonly position: number | undefined;
  /** At this step, where they are known. */
  readonly laws: readonly PositionLaw[] | undefined;
  readonly vocabularySize: number;
  readonly onChoose: (position: number) => void;
}

export function Along({ frames, changes, at, position, laws, vocabularySize, onChoose }: AlongProps) {
  const length = changes.length;
  const last = Math.max(1, frames.length - 1);
  const most = Math.log(vocabularySize);
  const choose = (event: MouseEvent & { readonly currentTarget: SVGSVGElement }): void => {
    const { left, width } = event.currentTarget.getBoundingClientRect();
    onChoose(Math.max(0, Math.min(length - 1, Math.floor(((event.clientX - left) / width) * length))));
  };
  const here = position !== undefined && <rect class="here" x={position} y="0" width="1" height="100%" />;
  // A mark that is seen, however many frames there are.
  const tall = Math.max(1, last / 48);
  const marks = useMemo(
    () =>
      changes.map((list, x) => list.map(({ frame }) => <rect key={`${x}-${frame}`} class="bar" x={x} y={frame} width="1" height={tall} />)),
    [changes, tall],
  );
  return (
    <div class="along">
      <figure>
        <figcaption>
          Entropy of each position at this step <span class="quiet">(full height: {most.toFixed(1)} nats, all tokens alike)</span>
        </figcaption>
        <svg
          class="entropy"
          viewBox={`0 0 ${length} ${most}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={entropySummary(laws)}
          onClick={choose}
        >
          {here}
          {laws?.map(({ position, entropy }) => (
            <rect key={position} class="bar" x={position + 0.1} y={most - entropy} width="0.8" height={entropy} />
          ))}
        </svg>
      </figure>
      <figure>
        <figcaption>
          When each position was written{" "}
          <span class="quiet">
            (downwards: step 0 to {frames.at(-1)!.steps}; across: position 1 to {length})
          </span>
        </figcaption>
        <svg
          class="strip"
          viewBox={`0 0 ${length} ${last + tall}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={writtenSummary(frames, changes)}
          onClick={choose}
        >
          {frames[0]!.spans.map(
            ({ begin, end, given }) => given && <rect key={begin} class="given" x={begin} y="0" width={end - begin} height="100%" />,
          )}
          {here}
          {marks}
          <rect class="moment" x="0" y={at} width={length} height={tall / 3} />
        </svg>
      </figure>
    </div>
  );
}

/** The chart of entropies in words. */
export function entropySummary(laws: readonly PositionLaw[] | undefined): string {
  if (!laws) return "Entropy along the text: not known yet";
  if (laws.length === 0) return "Entropy along the text: nothing is open at this step";
  const sorted = laws.toSorted((a, b) => a.entropy - b.entropy);
  const [least, most] = [sorted[0]!, sorted.at(-1)!];
  const mean = laws.reduce((sum, { entropy }) => sum + entropy, 0) / laws.length;
  const nats = ({ entropy, position }: PositionLaw): string => `${entropy.toFixed(2)} at position ${position + 1}`;
  return `Entropy of ${laws.length} positions in nats: mean ${mean.toFixed(2)}, least ${nats(least)}, most ${nats(most)}`;
}

/** The chart of times in words. */
export function writtenSummary(frames: readonly Frame[], changes: readonly (readonly Change[])[]): string {
  const steps = changes.flatMap((list) => list.slice(-1).map(({ step }) => step)).sort((a, b) => a - b);
  const [first, middle, last] = [steps[0], steps[Math.ceil(steps.length / 2) - 1], steps.at(-1)];
  if (middle === undefined) return "When each position was written: none yet";
  const all = frames.at(-1)!.steps;
  return `When each position was written: ${steps.length} of ${changes.length}, from step ${first} to ${last} of ${all}, half of them by step ${middle}`;
}
