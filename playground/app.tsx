/** The frame of the page: views as tabs, the model and where it runs, the theme. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Choice, named } from "./parts/choice.tsx";
import { ModelBar } from "./parts/model-bar.tsx";
import { ProcessView } from "./process/process-view.tsx";
import { QualityView } from "./quality/quality-view.tsx";
import { ScrubView } from "./scrub/scrub-view.tsx";
import { readLink, view, views, type ViewName } from "./session/link.ts";
import { WriteView } from "./write/write-view.tsx";

const titles: Readonly<Record<ViewName, string>> = { write: "Write", scrub: "Scrub", process: "Process", quality: "Steps and quality" };
const contents = { write: WriteView, scrub: ScrubView, process: ProcessView, quality: QualityView } as const;

const themes = { "light dark": "as the system", light: "light", dark: "dark" } as const;
const theme = signal<keyof typeof themes>("light dark");

export function App() {
  useEffect(() => {
    readLink();
    addEventListener("hashchange", readLink);
    return () => removeEventListener("hashchange", readLink);
  }, []);
  useEffect(() => {
    document.documentElement.style.colorScheme = theme.value;
  }, [theme.value]);
  const open = view.value;
  const Content = contents[open];

  const move = (event: KeyboardEvent): void => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    view.value = views[(views.indexOf(open) + by + views.length) % views.length]!;
    document.getElementById(`tab-${view.value}`)?.focus();
  };

  return (
    <>
      <header class="top">
        <h1>sedd</h1>
        <div role="tablist" aria-label="Views" class="tabs" onKeyDown={move}>
          {views.map((name) => (
            <button
              key={name}
              id={`tab-${name}`}
              role="tab"
              aria-selected={name === open}
              aria-controls="view"
              tabIndex={name === open ? 0 : -1}
              onClick={() => void (view.value = name)}
            >
              {titles[name]}
            </button>
          ))}
        </div>
        <Choice
          label={<span class="hidden">Colours</span>}
          value={theme.value}
          options={named(themes)}
          onValue={(next) => void (theme.value = next)}
        />
      </header>
      {open !== "process" && <ModelBar />}
      <main>
        <div id="view" role="tabpanel" aria-labelledby={`tab-${open}`}>
          <Content />
        </div>
      </main>
    </>
  );
}
