/** Write: a text with holes is filled before one's eyes, and worked on. */
import { useEffect, useRef } from "preact/hooks";
import { Colouring } from "../parts/colouring.tsx";
import { NumberField, SamplerField, TemplateField } from "../parts/fields.tsx";
import { ask, asked, currentLink, ranges } from "../session/link.ts";
import { card, status } from "../session/model.ts";
import { mistake, run, type Run } from "../session/run.ts";
import { begin, drawSeed, keepSeed, stop, waiting } from "./begin.ts";
import { CopyButton } from "./copy-button.tsx";
import { Result } from "./result.tsx";
import "./write.css";

export function WriteView() {
  const form = useRef<HTMLFormElement>(null);
  const text = useRef<HTMLTextAreaElement>(null);
  const { template, count, steps, seed, temperature } = asked.value;
  const now = run.value;
  const running = now?.state === "running";
  const leftToRight = card.value?.leftToRight ?? false;
  const stopButton = useRef<HTMLButtonElement>(null);
  const stoppable = running || waiting.value;
  // What was pressed to write again is gone with the text it stood beside: the focus waits where the run can be stopped.
  useEffect(() => {
    if (running && document.activeElement === document.body) stopButton.current!.focus();
  }, [running]);

  /** Puts a hole in the place of what is selected, its length selected for typing another. */
  const insertHole = (): void => {
    const area = text.current!;
    const from = area.selectionStart;
    area.setRangeText("[[8]]", from, area.selectionEnd);
    area.setSelectionRange(from + 2, from + 3);
    area.focus();
    ask({ template: area.value });
  };

  return (
    <>
      <form
        ref={form}
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          void begin(template);
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          form.current!.requestSubmit();
        }}
      >
        <TemplateField rows={4} area={text}>
          <code>[[8]]</code> is a hole of 8 tokens, <code>[[ ]]</code> takes what is left of the model's length, <code>\[[</code> is two
          brackets.
        </TemplateField>
        <div class="fields">
          {!leftToRight && <NumberField label="Steps" value={steps} {...ranges.steps} onValue={(steps) => ask({ steps })} />}
          <NumberField label="Texts" value={count} {...ranges.count} onValue={(count) => ask({ count })} />
          {!leftToRight && <SamplerField />}
          <NumberField
            label="Temperature"
            value={temperature}
            {...{ min: 0.1, max: 2, step: 0.1 }}
            onValue={(temperature) => ask({ temperature })}
          />
          <NumberField label="Seed" value={seed} {...ranges.seed} onValue={(seed) => ask({ seed })} />
          <button type="button" onClick={drawSeed}>
            Another seed
          </button>
          <label class="check">
            <input type="checkbox" checked={keepSeed.value} onChange={(event) => void (keepSeed.value = event.currentTarget.checked)} />
            keep the seed
          </label>
        </div>
        <div class="actions">
          <button type="submit" class="primary" aria-keyshortcuts="Control+Enter" title="Ctrl+Enter">
            Write
          </button>
          <button type="button" ref={stopButton} aria-disabled={!stoppable} onClick={() => stoppable && stop()}>
            Stop
          </button>
          <button type="button" onClick={insertHole}>
            Insert a hole
          </button>
          <CopyButton label="Copy link" title="A link to this text with its holes and settings" content={currentLink} />
          {running && <Steps run={now} />}
        </div>
      </form>
      <p role="status" class="quiet">
        {outcome(now)}
      </p>
      {mistake.value && (
        <p role="alert" class="mistake">
          {mistake.value}
        </p>
      )}
      {now && now.frames[0]!.length > 0 && (
        <>
          <Colouring steps={now.frames[0]![0]!.steps} />
          <div class="results">
            {now.frames.map((_, sequence) => (
              <Result key={sequence} run={now} sequence={sequence} valid={() => form.current!.reportValidity()} />
            ))}
          </div>
        </>
      )}
    </>
  );
}

function Steps({ run: { frames } }: { readonly run: Run }) {
  const { step, steps } = frames.at(-1)!.at(-1) ?? { step: 0, steps: 1 };
  return (
    <label class="steps">
      <progress value={step} max={steps} /> step {step} of {steps}
    </label>
  );
}

/** What the live region says: that it begins, and how it ended. */
function outcome(now: Run | undefined): string {
  if (status.value.kind === "loading") return "The model is loading.";
  if (!now || mistake.value) return "";
  const last = now.frames[0]!.at(-1);
  if (now.state === "running") return "Writing.";
  if (now.state === "stopped") return last ? `Stopped at step ${last.step} of ${last.steps}.` : "Stopped.";
  if (now.source.kind === "file") return `${now.source.name}, written by ${now.source.model}.`;
  return `Done in ${(now.result!.milliseconds / 1000).toFixed(1)} seconds.`;
}
