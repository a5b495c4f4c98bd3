/** One of the texts of a run: seen while it is written; then its tokens can be locked and replaced, and the rest written again. */
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { sameModel } from "../backend/backend.ts";
import { messageOf } from "../message.ts";
import { tokensAt } from "../parts/history.ts";
import { chosen, describe, shownText, TokenText, type Choice } from "../parts/token-text.tsx";
import { openModel } from "../session/model.ts";
import { otherModel, run as runNow, type Run } from "../session/run.ts";
import { begin } from "./begin.ts";
import { CopyButton } from "./copy-button.tsx";
import { lock, replace, templateOf, type Draft } from "./draft.ts";

/** The texts of a run that were worked on; kept while another view is open. */
const drafts = signal<{ readonly run: Run | undefined; readonly of: ReadonlyMap<number, Draft> }>({ run: undefined, of: new Map() });

export interface ResultProps {
  readonly run: Run;
  readonly sequence: number;
  /** Whether the settings are such as can be written with; says what is wrong. */
  readonly valid: () => boolean;
}

export function Result({ run, sequence, valid }: ResultProps) {
  const frames = run.frames[sequence]!;
  const { texts } = run;
  const written = useMemo(() => tokensAt(frames, run), [frames]);
  /** What was changed by now, if anything. */
  const changedNow = (): Draft | undefined => (drafts.value.run === run ? drafts.value.of.get(sequence) : undefined);
  const changed = changedNow();
  const draft = changed ?? written;
  const keep = (changed: Draft): void => {
    const { of, run: owner } = drafts.value;
    drafts.value = { run, of: new Map([...(owner === run ? of : []), [sequence, changed]]) };
  };

  const [choice, setChoice] = useState<Choice | undefined>(undefined);
  const [mistake, setMistake] = useState("");
  const section = useRef<HTMLElement>(null);
  const editor = useRef<HTMLTextAreaElement>(null);
  const { steps } = frames.at(-1) ?? { steps: 1 };
  const over = run.state !== "running";
  // Its tokens mean something else to another model.
  const other = over ? otherModel(run) : undefined;
  const range = over && choice && choice.anchor < draft.length && choice.at < draft.length ? chosen(choice) : undefined;
  const part = range ? draft.slice(range.begin, range.end) : [];
  const lockable = part.filter(({ open }) => !open);
  const isLocked = lockable.every(({ locked }) => locked);

  const again = (keeps: (token: Draft[number]) => boolean): void => {
    if (valid()) void begin(templateOf(draft, keeps), run);
  };
  const toggle = (): void => keep(lock(draft, range!, !isLocked));
  const key = (pressed: string): boolean => {
    if (!range || other || (pressed !== " " && pressed !== "Enter")) return false;
    if (pressed === "Enter") editor.current!.select();
    else if (lockable.length > 0) toggle();
    return true;
  };
  const type = async (text: string): Promise<void> => {
    const { begin: from, end } = range!;
    try {
      const backend = await openModel();
      if (!sameModel(backend.card, run.card)) return; // which is said beside the text now
      const ids = await backend.encode(text);
      // A model may have taken its time to load: what was done to the text meanwhile stays.
      if (runNow.value !== run) return;
      const now = changedNow() ?? written;
      if (part.some(({ id }, i) => now[from + i]?.id !== id)) throw new Error("the text has changed meanwhile; choose the tokens again");
      keep(replace(now, { begin: from, end }, ids));
      setChoice(ids.length > 0 ? { anchor: from, at: from + ids.length - 1 } : undefined);
      setMistake("");
      // The field is another one now: the focus goes on where the text came, unless it has gone elsewhere.
      const stays = document.activeElement === document.body || section.current?.contains(document.activeElement);
      if (stays) requestAnimationFrame(() => section.current?.querySelector<HTMLElement>("[role=option][tabindex='0']")?.focus());
    } catch (error) {
      setMistake(messageOf(error));
    }
  };

  // Characters may be spread over tokens, so a text is more than its tokens one by one: these only until it is told.
  const textOf = (tokens: Draft): string =>
    texts.together(tokens.map(({ id }) => id)) ?? tokens.map((token) => shownText(token, texts)).join("");
  const plain = over ? ((changed ? undefined : run.result?.texts[sequence]) ?? textOf(draft)) : "";
  const chosenText = textOf(part.filter(({ open }) => !open));
  useEffect(() => {
    // Told only after one has begun to edit: what was selected to be typed over still is.
    if (document.activeElement === editor.current && editor.current?.value === chosenText) editor.current.select();
  }, [chosenText]);
  const name = `Text ${sequence + 1}`;
  return (
    <section class="result" aria-label={name} ref={section}>
      <h2>{name}</h2>
      {over && <p class="hidden">{plain}</p>}
      <TokenText
        {...{ tokens: draft, texts, steps, choice, ranges: true }}
        label={`${name}: its tokens`}
        onChoose={setChoice}
        onKey={key}
      />
      {over && (
        <>
          {other ? (
            <p class="quiet">{other}</p>
          ) : range ? (
            <form
              class="edit"
              onSubmit={(event) => {
                event.preventDefault();
                void type(editor.current!.value);
              }}
            >
              <p class="quiet">{part.length === 1 ? describe(part[0]!, steps, texts) : `${part.length} tokens chosen`}</p>
              <button type="button" disabled={lockable.length === 0} onClick={toggle}>
                {isLocked && lockable.length > 0 ? "Unlock" : "Lock"}
              </button>
              <label>
                <span class="hidden">Replace by</span>
                <textarea
                  key={`${range.begin}-${range.end}-${draft.length}`}
                  ref={editor}
                  rows={1}
                  defaultValue={chosenText}
                  onKeyDown={(event) => {
                    if (event.key !== "Enter" || event.shiftKey) return;
                    event.preventDefault();
                    event.currentTarget.form!.requestSubmit();
                  }}
                />
              </label>
              <button type="submit">Replace</button>
            </form>
          ) : (
            <p class="quiet">Choose tokens (click or arrow keys, with shift several): space locks, enter edits. Locked ones stay.</p>
          )}
          {mistake && (
            <p role="alert" class="mistake">
              {mistake}
            </p>
          )}
          <div class="actions">
            <button
              type="button"
              disabled={other !== undefined || draft.every(({ locked }) => locked)}
              onClick={() => again(({ locked }) => locked)}
            >
              Write the rest again
            </button>
            {draft.some(({ open }) => open) && (
              <button type="button" disabled={other !== undefined} onClick={() => again(({ open }) => !open)}>
                Continue
              </button>
            )}
            <CopyButton label="Copy text" content={() => plain} />
          </div>
        </>
      )}
    </section>
  );
}
