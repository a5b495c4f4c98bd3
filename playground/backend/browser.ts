/** A model in a worker of this browser: no server computes. */
import type { LoadOptions, PositionLaw, Progress } from "sedd";
import type { Backend, Bound, Frame, Generated, ModelCard } from "./backend.ts";
import { callsTo } from "./calls.ts";
import type { LoadRequest } from "./worker.ts";

export interface BrowserOptions extends Pick<LoadOptions, "signal" | "onProgress"> {
  readonly device: LoadRequest["device"];
}

const beside = (path: string): string => new URL(path, document.baseURI).href;

/** Which model lies beside the page; of several, the first. */
async function nameOfModel(signal: AbortSignal | undefined): Promise<string> {
  const response = await fetch(beside("models/index.json"), { signal: signal ?? null });
  const { models } = (response.ok ? await response.json() : { models: [] }) as { models: readonly { readonly name: string }[] };
  if (!models[0]) throw new Error("no model lies beside this page (models/index.json): it runs on the page's server alone");
  return models[0].name;
}

/** Loads the model `models/NAME/` beside the page. */
export async function browserBackend({ device, signal, onProgress }: BrowserOptions): Promise<Backend> {
  const name = await nameOfModel(signal);
  const { call, dispose } = callsTo(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
  const request: LoadRequest = { name, device, folder: beside(`models/${encodeURIComponent(name)}/`), runtime: beside("runtime/") };
  const card = await call<ModelCard, Progress>("load", request, { signal, onEvent: onProgress }).catch((error: unknown) => {
    dispose();
    throw error;
  });
  return {
    card,
    generate: (wanted, { signal, onFrame }) => call<Generated, Frame>("generate", wanted, { signal, onEvent: onFrame }),
    laws: (tokens, sigma, { top, signal }) => call<readonly PositionLaw[]>("laws", { tokens, sigma, top }, { signal }),
    likelihood: (text, { samples, seed, signal }) => call<Bound>("likelihood", { text, samples, seed }, { signal }),
    encode: (text) => call("encode", text),
    textsOf: (tokens) => call("textsOf", tokens),
    decode: (tokens) => call("decode", tokens),
    dispose,
  };
}
