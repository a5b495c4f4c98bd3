/** A model behind `sedd serve`: the HTTP interface of docs/server.md. */
import type { Backend, Frame, GenerateRequest, Law, Likelihood } from "./backend.ts";

export interface ServerOptions {
  /** The server's address; the page's own by default. */
  readonly address: string;
  readonly name?: string | undefined;
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

interface Entry {
  readonly id: string;
  readonly length: number;
  readonly longest: number;
  readonly parameters: number;
  readonly vocabulary: number;
  readonly mask?: number;
  readonly graph: "absorb" | "uniform";
}

export async function serverBackend({ address, name, key, signal }: ServerOptions): Promise<Backend> {
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

  const { data } = await json<{ data: readonly Entry[] }>("v1/models", undefined, signal);
  const entry = name === undefined ? data[0] : data.find(({ id }) => id === name);
  if (!entry) throw new Error(`the server has no model ${name ?? ""}; it has ${data.map(({ id }) => id).join(", ")}`);
  const { id: model, length, longest, parameters, graph, vocabulary, mask } = entry;

  return {
    card: { name: model, ...{ length, longest, parameters, graph, mask }, vocabularySize: vocabulary, device: "server" },
    async generate({ template, count, topP, ...rest }: GenerateRequest, { signal, onFrame }) {
      const begin = performance.now();
      const pieces = typeof template === "string" ? { template } : { spans: template };
      const body = { model, ...pieces, ...rest, n: count, top_p: topP, stream: true, diffusing: true };
      const response = await ask("v1/infill", body, signal);
      const before: number[][] = [];
      for await (const event of events(response)) {
        if ("error" in event) throw new ServerError((event.error as { message: string }).message, 500);
        if (event.type === "snapshot") {
          const snapshot = event as unknown as Snapshot;
          onFrame(frameOf(snapshot, before[snapshot.index]));
          before[snapshot.index] = snapshot.tokens;
        }
        if (event.type !== "done") continue;
        const { texts } = event as unknown as { texts: readonly { text: string; tokens: number[] }[] };
        return {
          texts: texts.map(({ text }) => text),
          tokens: texts.map(({ tokens }) => tokens),
          milliseconds: performance.now() - begin,
        };
      }
      throw new Error("the server ended the stream before the text was done");
    },
    laws: async (tokens, sigma, { top, signal }) =>
      (await json<{ laws: readonly Law[] }>("v1/laws", { model, tokens, sigma, top }, signal)).laws,
    async likelihood(text, { samples, seed, signal }): Promise<Likelihood> {
      const { natsPerToken, standardError } = await json<Likelihood>("v1/likelihood", { model, text, samples, seed }, signal);
      return { natsPerToken, standardError };
    },
    encode: async (text) => (await json<{ tokens: number[] }>("v1/tokens", { model, text })).tokens,
    textsOf: async (tokens) => (await json<{ texts: string[] }>("v1/tokens", { model, tokens })).texts,
    dispose() {},
  };
}

interface Snapshot extends Omit<Frame, "sequence" | "tokens"> {
  readonly index: number;
  readonly tokens: number[];
}

/** A snapshot as a frame. The server leaves out snapshots for a slow reader, so what changed is told by the one before. */
function frameOf({ index, ...snapshot }: Snapshot, before: readonly number[] | undefined): Frame {
  const known = new Map(snapshot.changed.map((position, j) => [position, snapshot.probability[j]]));
  const changed = before ? snapshot.tokens.flatMap((token, i) => (token === before[i] ? [] : [i])) : [];
  return { ...snapshot, sequence: index, changed, probability: changed.map((position) => known.get(position)) };
}

/** The events of a stream of server-sent events, as objects. */
async function* events(response: Response): AsyncGenerator<Readonly<Record<string, unknown>>, void, undefined> {
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop()!;
    for (const block of blocks) {
      const data = block
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n");
      if (data !== "" && data !== "[DONE]") yield JSON.parse(data) as Readonly<Record<string, unknown>>;
    }
  }
}
