/** Which model the page uses and where it runs. It is loaded when something first needs it, and kept. */
import { computed, signal } from "@preact/signals";
import type { Progress } from "sedd";
import type { Backend } from "../backend/backend.ts";
import { browserBackend, type BrowserOptions } from "../backend/browser.ts";
import { serverBackend, ServerError } from "../backend/server.ts";
import { messageOf } from "../message.ts";

/** "server": the one that the page came from. The rest: this browser. */
export type Place = BrowserOptions["device"] | "server";

export const place = signal<Place>("auto");
/** Of the server, where it asks for one. */
export const apiKey = signal("");

export type Status =
  | { readonly kind: "none" }
  | { readonly kind: "loading"; readonly progress: Progress | undefined }
  | { readonly kind: "ready"; readonly backend: Backend }
  | { readonly kind: "failed"; readonly message: string; readonly needsKey: boolean };

export const status = signal<Status>({ kind: "none" });
export const card = computed(() => (status.value.kind === "ready" ? status.value.backend.card : undefined));

let current: { readonly key: string; readonly loading: Promise<Backend>; readonly controller: AbortController } | undefined;

/** The chosen model, loaded if it is not; another choice closes the one before. Rejects with what is wrong. */
export function openModel(): Promise<Backend> {
  const key = JSON.stringify([place.value, apiKey.value]);
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
      const message = messageOf(error);
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
  const where = place.value;
  if (where === "server") return serverBackend({ address: document.baseURI, key: apiKey.value || undefined, signal });
  return browserBackend({ device: where, signal, onProgress: (progress) => void (status.value = { kind: "loading", progress }) });
}
