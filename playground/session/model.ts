/** Which model the page uses and where it runs. It is loaded when something first needs it, and kept. */
import { computed, signal } from "@preact/signals";
import type { Backend, Progress } from "../backend/backend.ts";
import { browserBackend, type BrowserOptions } from "../backend/browser.ts";
import { serverBackend, ServerError } from "../backend/server.ts";

/** "server": the one that the page came from. The rest: this browser. */
export type Place = BrowserOptions["device"] | "server";

export const place = signal<Place>("auto");
export const modelName = signal("fairytales");
/** Of the server, where it asks for one. */
export const apiKey = signal("");

export type Status =
  | { readonly kind: "none" }
  | { readonly kind: "loading"; readonly progress: Parameters<Progress>[0] | undefined }
  | { readonly kind: "ready"; readonly backend: Backend }
  | { readonly kind: "failed"; readonly message: string; readonly needsKey: boolean };

export const status = signal<Status>({ kind: "none" });
export const card = computed(() => (status.value.kind === "ready" ? status.value.backend.card : undefined));

let current: { readonly key: string; readonly loading: Promise<Backend>; readonly controller: AbortController } | undefined;

/** The chosen model, loaded if it is not; another choice closes the one before. Rejects with what is wrong. */
export function openModel(): Promise<Backend> {
  const key = JSON.stringify([place.value, modelName.value, apiKey.value]);
  if (current?.key === key && status.value.kind !== "failed") return current.loading;
  closeModel();
  const controller = new AbortController();
  const { signal } = controller;
  status.value = { kind: "loading", progress: undefined };
  const loading = open(signal).then(
    (backend) => {
      if (signal.aborted) backend.dispose();
      else status.value = { kind: "ready", backend };
      return backend;
    },
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      if (!signal.aborted) status.value = { kind: "failed", message, needsKey: error instanceof ServerError && error.status === 401 };
      throw error;
    },
  );
  current = { key, loading, controller };
  return loading;
}

export function closeModel(): void {
  if (status.value.kind === "ready") status.value.backend.dispose();
  current?.controller.abort(new DOMException("another model was chosen", "AbortError"));
  current = undefined;
  status.value = { kind: "none" };
}

function open(signal: AbortSignal): Promise<Backend> {
  const [where, name] = [place.value, modelName.value];
  if (where === "server") return serverBackend({ address: document.baseURI, name, key: apiKey.value || undefined, signal });
  const onProgress: Progress = (progress) => void (status.value = { kind: "loading", progress });
  return browserBackend({ name, device: where, signal, onProgress });
}
