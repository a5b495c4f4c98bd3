/** A model behind `sedd serve`: the HTTP interface of docs/server.md. */
import { parseTrajectory, type PositionLaw, type Trajectory } from "sedd";
import type { Backend, Bound, Frame, GenerateRequest, ModelCard } from "./backend.ts";

export interface ServerOptions {
  /** The server's address; the page's own by default. */
  readonly address: string;
  readonly key?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** An answer that refuses; 401 asks for a key. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** A model that is loaded. */
interface Entry extends Pick<ModelCard, "length" | "longest" | "parameters" | "graph"> {
  readonly id: string;
  readonly ready: true;
  readonly vocabulary: number;
  readonly mask?: number;
  readonly objective: string;
}

/** Milliseconds until a server whose model loads is asked again. */
const PAUSE = 500;

/** The model that the server names first, which is the one it takes where none is named. Waits until it is loaded. */
export async function serverBackend({ address, key, signal }: ServerOptions): Promise<Backend> {
  const ask = async (path: string, body?: unknown, signal?: AbortSignal): Promise<Response> => {
    const response = await fetch(new URL(path, address), {
      method: body === undefined ? "GET" : "POST",
      headers: { "content-type": "application/json", ...(key ? { authorization: `Bearer ${key}` } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
    if (response.ok) return response;
    const { error } = (await response.json().catch(() => ({}))) as { error?: { message?: string } };
    throw new ServerError(error?.message ?? `the server answers ${response.status}`, response.status);
  };
  const json = async <T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> =>
    (await ask(path, body, signal)).json() as Promise<T>;

  const first = async (): Promise<Entry> => {
    for (;;) {
      const { data } = await json<{ data: readonly [Entry | { readonly ready: false }] }>("v1/models", undefined, signal);
      if (data[0].ready) return data[0];
      await new Promise((resolve) => setTimeout(resolve, PAUSE));
    }
  };
  const { id: model, length, longest, parameters, graph, vocabulary, mask, objective } = await first();

  return {
    card: {
      ...{ name: model, length, longest, parameters, graph, mask, vocabularySize: vocabulary },
      ...{ device: "server", leftToRight: objective === "ar" },
    },
    async generate({ template, count, ...rest }: GenerateRequest, { signal, onFrame }) {
      const begin = performance.now();
      const pieces = typeof template === "string" ? { template } : { spans: template };
      const body = { model, ...pieces, ...rest, n: count, stream: true, diffusing: true, record: true };
      const response = await ask("v1/infill", body, signal);
      const before: (readonly number[])[] = [];
      for await (const event of events(response)) {
        if ("error" in event) throw new ServerError(event.error.message, 500);
        if (event.type === "snapshot") {
          for (const frame of framesOf(event, before[event.index])) onFrame(frame);
          before[event.index] = event.tokens;
        }
        if (event.type !== "done") continue;
        return {
          texts: event.texts.map(({ text }) => text),
          tokens: event.texts.map(({ tokens }) => tokens),
          milliseconds: performance.now() - begin,
          trajectory: parseTrajectory(event.recording, "the server's recording"),
        };
      }
      throw new Error("the server ended the stream before the text was done");
    },
    laws: async (tokens, sigma, { top, signal }) =>
      (await json<{ laws: readonly PositionLaw[] }>("v1/laws", { model, tokens, sigma, top }, signal)).laws,
    async likelihood(text, { samples, seed, signal }): Promise<Bound> {
      const { natsPerToken, standardError } = await json<Bound>("v1/likelihood", { model, text, samples, seed }, signal);
      return { natsPerToken, standardError };
    },
    encode: async (text) => (await json<{ tokens: number[] }>("v1/tokens", { model, text })).tokens,
    textsOf: async (tokens) => (await json<{ texts: string[] }>("v1/tokens", { model, tokens })).texts,
    decode: async (tokens) => (await json<{ text: string }>("v1/tokens", { model, tokens })).text,
    dispose() {},
  };
}

interface Snapshot extends Omit<Frame, "sequence"> {
  readonly index: number;
  /** The steps since the snapshot before: unchanged ones, and those whose snapshots were not read in time. */
  readonly between: readonly (Pick<Frame, "step" | "time" | "sigma"> & {
    readonly changes: readonly Pick<Trajectory["changes"][number], "position" | "token" | "probability">[];
  })[];
}

/** The frames that a snapshot tells, from the text of the one before on. */
function framesOf({ index: sequence, between, ...own }: Snapshot, before: readonly number[] = []): Frame[] {
  const { steps, spans } = own;
  const tokens = [...before];
  const frames = between.map(({ changes, ...place }): Frame => {
    for (const { position, token } of changes) tokens[position] = token;
    return {
      ...{ sequence, steps, spans, ...place, tokens: [...tokens] },
      changed: changes.map(({ position }) => position),
      probability: changes.map(({ probability }) => probability),
    };
  });
  return [...frames, { ...own, sequence }];
}

/** What a stream of /v1/infill tells. */
type Event =
  | ({ readonly type: "snapshot" } & Snapshot)
  | { readonly type: "end" }
  | {
      readonly type: "done";
      readonly texts: readonly { readonly text: string; readonly tokens: readonly number[] }[];
      readonly recording: string;
    }
  | { readonly error: { readonly message: string } };

/** The events of a stream: one line of JSON each, as the server sends them. */
async function* events(response: Response): AsyncGenerator<Event, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop()!;
    // The mark at the end, [DONE], is no event.
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice("data: ".length)) as Event;
  }
}
