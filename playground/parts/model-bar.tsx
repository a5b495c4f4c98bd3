/** The model: where it runs, its loading, what went wrong. */
import { useRef } from "preact/hooks";
import { apiKey, card, closeModel, place, status, openModel, type Place } from "../session/model.ts";
import { Choice, named } from "./choice.tsx";

const places: Readonly<Record<Place, string>> = {
  auto: "this browser, fastest device",
  webgpu: "this browser, WebGPU",
  wasm: "this browser, WebAssembly",
  server: "the server of this page",
};
const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

export function ModelBar() {
  const key = useRef<HTMLInputElement>(null);
  const bar = useRef<HTMLElement>(null);
  const now = status.value;
  /** What goes wrong the bar itself says. The button that was pressed goes, so the bar takes its focus. */
  const load = (): void => {
    bar.current!.focus();
    void openModel().catch(() => undefined);
  };
  return (
    <section class="model" aria-label="Model" ref={bar} tabIndex={-1}>
      <Choice
        label="Runs in"
        value={place.value}
        options={named(places)}
        onValue={(next) => {
          closeModel();
          place.value = next;
        }}
      />
      {now.kind === "none" && (
        <button type="button" onClick={load}>
          Load the model
        </button>
      )}
      {now.kind === "loading" && (
        <label class="loading">
          Loading {now.progress ? `${now.progress.file}: ${megabytes(now.progress.loaded)} MB` : "…"}{" "}
          <progress {...(now.progress?.total ? { value: now.progress.loaded, max: now.progress.total } : {})} />
        </label>
      )}
      {now.kind === "failed" && (
        <p class="mistake" role="alert">
          {now.message}
        </p>
      )}
      {now.kind === "failed" && !now.needsKey && (
        <button type="button" onClick={load}>
          Try again
        </button>
      )}
      {now.kind === "failed" && now.needsKey && (
        <form
          onSubmit={(event) => {
            event.preventDefault();
            apiKey.value = key.current!.value;
            load();
          }}
        >
          <label>
            API key <input ref={key} type="password" autocomplete="off" required />
          </label>{" "}
          <button type="submit">Load the model</button>
        </form>
      )}
      {card.value && (
        <p class="card" data-device={card.value.device}>
          {card.value.name}: {(card.value.parameters / 1e6).toFixed(1)} million parameters, {card.value.device}
        </p>
      )}
    </section>
  );
}
