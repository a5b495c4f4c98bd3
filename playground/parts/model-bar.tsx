/** The model: where it runs, its loading, what went wrong. */
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
  const now = status.value;
  return (
    <section class="model" aria-label="Model">
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
        <button type="button" onClick={() => void openModel().catch(() => undefined)}>
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
      {now.kind === "failed" && now.needsKey && (
        <label>
          API key <input type="password" autocomplete="off" onChange={(event) => void (apiKey.value = event.currentTarget.value)} />
        </label>
      )}
      {card.value && (
        <p class="card" data-device={card.value.device}>
          {card.value.name}: {(card.value.parameters / 1e6).toFixed(1)} million parameters, {card.value.device}
        </p>
      )}
    </section>
  );
}
