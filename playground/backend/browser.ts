/** A model in a worker of this browser: no server computes. */
import type { Backend, Frame, Generated, Law, Likelihood, ModelCard, Progress } from "./backend.ts";
import { callsTo } from "./calls.ts";
import type { LoadRequest } from "./worker.ts";

export interface BrowserOptions {
  readonly name: string;
  readonly device: LoadRequest["device"];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: Progress | undefined;
}

/** Loads the model `models/NAME/` beside the page. */
export async function browserBackend({ name, device, signal, onProgress }: BrowserOptions): Promise<Backend> {
  const { call, dispose } = callsTo(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
  const beside = (path: string): string => new URL(path, document.baseURI).href;
  const request: LoadRequest = { name, device, folder: beside(`models/${encodeURIComponent(name)}/`), runtime: beside("runtime/") };
  const card = await call<ModelCard, Parameters<Progress>[0]>("load", request, { signal, onEvent: onProgress }).catch((error: unknown) => {
    dispose();
    throw error;
  });
  return {
    card,
    generate: (wanted, { signal, onFrame }) => call<Generated, Frame>("generate", wanted, { signal, onEvent: onFrame }),
    laws: (tokens, sigma, { top, signal }) => call<readonly Law[]>("laws", { tokens, sigma, top }, { signal }),
    likelihood: (text, { samples, seed, signal }) => call<Likelihood>("likelihood", { text, samples, seed }, { signal }),
    encode: (text) => call("encode", text),
    textsOf: (tokens) => call("textsOf", tokens),
    dispose,
  };
}
