/** The model, in a web worker of the page: loads it and answers what backend.ts asks. */
import { load, record, type Model, type PositionLaw, type SampleFrame } from "sedd";
import type { Bound, Frame, Generated, GenerateRequest, ModelCard } from "./backend.ts";
import { answerCalls } from "./calls.ts";

export interface LoadRequest {
  readonly name: string;
  /** The model's folder and the runtime's files, as addresses. */
  readonly folder: string;
  readonly runtime: string;
  /** "auto": WebGPU where there is an adapter, else WebAssembly. */
  readonly device: "auto" | "webgpu" | "wasm";
}

interface Loaded {
  readonly model: Model;
  /** The model itself knows only the address of its folder. */
  readonly name: string;
  readonly device: "webgpu" | "wasm";
}
let current: Loaded | undefined;
const loaded = (): Loaded => {
  if (!current) throw new Error("no model is loaded");
  return current;
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
    const runsOn = gpu ? "webgpu" : "wasm";
    const model = await load(folder, { device: runsOn, threads, runtime, signal, onProgress: onEvent });
    current = { model, name, device: runsOn };
    const { length, longest, parameterCount, config, tokenizer } = model;
    return {
      ...{ name, length, longest, vocabularySize: tokenizer.size, parameters: parameterCount, graph: config.sedd.graph },
      mask: config.sedd.graph === "absorb" ? tokenizer.size : undefined,
      leftToRight: config.sedd.objective === "ar",
      device: gpu ? "WebGPU" : `WebAssembly, ${threads === 1 ? "1 thread" : `${threads} threads`}`,
    };
  },
  async generate({ template, ...options }: GenerateRequest, { signal, onEvent }): Promise<Generated> {
    const begin = performance.now();
    const { model, name, device } = loaded();
    const recorder = record(model, { device });
    const samples = await recorder.infill(template, { ...options, signal, onStep: (frame) => onEvent(frameOf(frame)) });
    const trajectory = recorder.trajectory();
    return {
      texts: samples.map(({ text }) => text),
      tokens: samples.map(({ tokens }) => tokens),
      milliseconds: performance.now() - begin,
      trajectory: { ...trajectory, run: { ...trajectory.run, model: name } },
    };
  },
  async laws({ tokens, sigma, top }: { tokens: number[]; sigma: number; top: number }, { signal }): Promise<readonly PositionLaw[]> {
    return loaded().model.laws(tokens, sigma, { top, signal });
  },
  async likelihood({ text, samples, seed }: { text: string; samples: number; seed: number }, { signal }): Promise<Bound> {
    const { natsPerToken, standardError } = await loaded().model.likelihood(text, { samples, seed, signal });
    return { natsPerToken, standardError };
  },
  encode: async (text: string) => [...loaded().model.tokenizer.encode(text)],
  textsOf: async (tokens: number[]) => tokens.map((token) => loaded().model.tokenizer.decode([token])),
  decode: async (tokens: number[]) => loaded().model.tokenizer.decode(tokens),
});
