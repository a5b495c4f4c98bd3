/** Scrub: the last run, or a recorded one, under a time slider. */
import { useEffect, useMemo, useState } from "preact/hooks";
import { Choice } from "../parts/choice.tsx";
import { Colouring } from "../parts/colouring.tsx";
import { changesOf, tokensAt } from "../parts/history.ts";
import { TokenText } from "../parts/token-text.tsx";
import { status } from "../session/model.ts";
import { otherModel, run, type Run } from "../session/run.ts";
import { Along } from "./along.tsx";
import { Files } from "./files.tsx";
import { useLaws, type Laws } from "./laws.ts";
import { goIn, placeIn, type Place } from "./place.ts";
import { Story } from "./story.tsx";
import "./scrub.css";

/** Milliseconds that a frame is shown while the run plays. */
const PERIOD = 80;

export function ScrubView() {
  const now = run.value;
  return (
    <>
      <Files />
      {now && now.frames[0]!.length > 0 ? <Scrub run={now} /> : <p>Nothing is written yet: write a text first, or open a recording.</p>}
    </>
  );
}

/** Under first-hitting each text has a clock of its own, and frames tell the first one's alone; from left to right there is none. */
const hasClock = ({ sampler }: Run, sequence: number): boolean =>
  sampler !== "left-to-right" && !(sampler === "first-hitting" && sequence > 0);

/** Why the model is not asked about a frame. */
function silenceOf(run: Run, sequence: number, other: string | undefined): string | undefined {
  if (other) return other;
  if (run.card.leftToRight) return "This model writes from left to right: it has no law of what stands to the right.";
  return hasClock(run, sequence)
    ? undefined
    : "At which noise the model was asked is told of the first text alone, so it is not asked about this one.";
}

function Scrub({ run }: { readonly run: Run }) {
  const { source } = run;
  const here = placeIn(source);
  const go = (to: Partial<Place>): void => goIn(source, to);
  const { sequence, position } = here;
  const frames = run.frames[sequence]!;
  const last = frames.length - 1;
  const at = Math.min(here.frame ?? last, last);
  const frame = frames[at]!;

  const tokens = useMemo(() => tokensAt(frames, run, at), [frames, at]);
  const changes = useMemo(() => changesOf(frames, run), [frames]);
  const marked = useMemo(() => new Set(frame.changed), [frame]);
  const [playing, setPlaying] = useState(false);
  useEffect(() => {
    if (!playing) return;
    if (at === last) return setPlaying(false);
    const timer = setTimeout(() => goIn(source, ({ frame = last }) => ({ frame: Math.min(frame + 1, last) })), PERIOD);
    return () => clearTimeout(timer);
  }, [playing, at, last]);
  // A model that writes has no time for questions.
  const rests = !playing && run.state !== "running";
  const other = otherModel(run);
  const backend = status.value.kind === "ready" && !other ? status.value.backend : undefined;
  const silence = silenceOf(run, sequence, other);
  const told = useLaws(backend, rests && !silence ? frame : undefined);
  const laws: Laws = backend && !silence ? told : { kind: "silent", message: silence ?? "The model is not loaded, so it is not asked." };
  const clock = hasClock(run, sequence) ? `, time ${frame.time.toFixed(3)}, noise σ ${frame.sigma.toFixed(3)}` : "";
  const moment = `step ${frame.step} of ${frame.steps}${clock}`;

  return (
    <>
      <div class="time">
        <button
          type="button"
          class="primary"
          onClick={() => {
            if (!playing && at === last) go({ frame: 0 });
            setPlaying(!playing);
          }}
        >
          {playing ? "Pause" : "Play"}
        </button>
        <label>
          <span class="hidden">Step</span>
          <input
            type="range"
            min={0}
            max={last}
            value={at}
            aria-valuetext={moment}
            onInput={(event) => {
              setPlaying(false);
              go({ frame: event.currentTarget.valueAsNumber });
            }}
          />
        </label>
        {run.frames.length > 1 && (
          <Choice
            label="Text"
            value={sequence}
            options={run.frames.map((_, i) => [i, i + 1] as const)}
            onValue={(next) => go({ sequence: next, position: undefined })}
          />
        )}
        <output class="quiet">
          {moment}; {frame.changed.length} changed{clock && frame.time === 0 && " by the final denoise"}
        </output>
      </div>
      <Colouring steps={frame.steps} />
      <TokenText
        {...{ tokens, marked, texts: run.texts }}
        steps={frame.steps}
        label="The text at this step: its tokens"
        choice={position === undefined ? undefined : { anchor: position, at: position }}
        onChoose={({ at }) => go({ position: at })}
      />
      <Along
        {...{ frames, changes, at, position }}
        vocabularySize={source.vocabularySize}
        laws={laws.kind === "told" ? laws.laws : undefined}
        onChoose={(position) => go({ position })}
      />
      {position === undefined ? (
        <p class="quiet">Choose a token, by click or with the arrow keys: its story stands here. {other}</p>
      ) : (
        <Story
          {...{ position, frame, laws, texts: run.texts }}
          changes={changes[position]!}
          mask={run.mask}
          onMoment={(frame) => go({ frame })}
        />
      )}
    </>
  );
}
