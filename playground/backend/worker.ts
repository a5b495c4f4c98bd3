/** The model, in a web worker of the page: loads it and answers what backend.ts asks. */
import { load, record, type Model, type SampleFrame } from "sedd";
import type { Frame, Generated, GenerateRequest, Law, Likelihood, ModelCard } from "./backend.ts";
import { answerCalls } from "./calls.ts";

export interface LoadRequest {
  readonly name: string;
  /** The model's folder and the runtime's files, as addresses. */
  readonly folder: string;
  readonly runtime: string;
  /** "auto": WebGPU where there is an adapter, else WebAssembly. */
  readonly device: "auto" | "webgpu" | "wasm";
}

let model: Model | undefined;
let runsOn: "webgpu" | "wasm" | undefined;
const loaded = (): Model => {
  if (!model) throw new Error("no model is loaded");
  return model;
};

const hasAdapter = async (): Promise<boolean> => {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  return Boolean(await gpu?.requestAdapter().catch(() => null));
};

const frameOf = ({ sequence, step, steps, time, sigma, tokens, changed, probability, spans }: SampleFrame): Frame => ({
  ...{ sequence, step, steps, time, sigma, tokens, changed, probability },
  spans: spans.map(({ begin, end, text }) => ({ begin, end, given: text !== undefined })),
});

answerCalls(self, {
  async load({ name, folder, runtime, device }: LoadRequest, { signal, onEvent }): Promise<ModelCard> {
    const gpu = device === "webgpu" || (device === "auto" && (await hasAdapter()));
    const threads = self.crossOriginIsolated ? navigator.hardwareConcurrency : 1;
    runsOn = gpu ? "webgpu" : "wasm";
    model = await load(folder, { device: runsOn, threads, runtime, signal, onProgress: (progress) => onEvent(progress as never) });
    const { length, parameterCount, config, tokenizer } = model;
    return {
      ...{ name, length, longest: 8 * length, vocabularySize: tokenizer.size, parameters: parameterCount, graph: config.sedd.graph },
      mask: config.sedd.graph === "absorb" ? tokenizer.size : undefined,
      device: gpu ? "WebGPU" : `WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}`,
    };
  },
  async generate({ template, temperature, topP, ...options }: GenerateRequest, { signal, onEvent }): Promise<Generated> {
    const begin = performance.now();
    const recorder = record(loaded(), { device: runsOn });
    const samples = await recorder.infill(template, {
      ...options,
      signal,
      ...(temperature === undefined ? {} : { temperature }),
      ...(topP === undefined ? {} : { topP }),
      onStep: (frame) => onEvent(frameOf(frame) as never),
    });
    return {
      texts: samples.map(({ text }) => text),
      tokens: samples.map(({ tokens }) => tokens),
      milliseconds: performance.now() - begin,
      trajectory: recorder.trajectory(),
    };
  },
  async laws({ tokens, sigma, top }: { tokens: number[]; sigma: number; top: number }): Promise<readonly Law[]> {
    return loaded().laws(Int32Array.from(tokens), sigma, { top });
  },
  async likelihood({ text, samples, seed }: { text: string; samples: number; seed: number }): Promise<Likelihood> {
    const { natsPerToken, standardError } = await loaded().likelihood(text, { samples, seed });
    return { natsPerToken, standardError };
  },
  encode: async (text: string) => [...loaded().tokenizer.encode(text)],
  textsOf: async (tokens: number[]) => tokens.map((token) => loaded().tokenizer.decode([token])),
});
