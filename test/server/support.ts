/** A server on a free port with a tiny model, whose "worker" runs in this thread: what is tested is all but the thread. */
import { MessageChannel } from "node:worker_threads";
import { mkdir } from "node:fs/promises";
import { request, type IncomingHttpHeaders } from "node:http";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { serveJobs } from "../../src/server/engine.ts";
import type { Connection, FromWorker, ToWorker, WorkerSettings } from "../../src/server/protocol.ts";
import { serve, type Running, type ServeOptions } from "../../src/server/server.ts";
import { readSettings } from "../../src/server/settings.ts";
import { temporaryFolder, writeTinyModel } from "../cli/support.ts";

/** Serves jobs in this thread, over a real channel: messages are cloned, and come in turns. */
export function inThread(settings: WorkerSettings): Connection {
  const { port1, port2 } = new MessageChannel();
  const exits: (() => void)[] = [];
  let gone = false;
  void serveJobs(
    { postMessage: (message: FromWorker) => port2.postMessage(message), on: (_, listener) => port2.on("message", listener) },
    settings,
  );
  return {
    postMessage: (message: ToWorker) => port1.postMessage(message),
    on(event: string, listener: (message: never) => void) {
      if (event === "message") port1.on("message", listener as never);
      if (event === "exit") exits.push(listener as () => void);
    },
    terminate() {
      if (gone) return;
      gone = true;
      port1.close();
      port2.close();
      for (const exit of exits) exit();
    },
  };
}

/** A worker whose events all come in the moment in which their job is done, before a client can read any: what a very slow one finds. */
export function atOnce(settings: WorkerSettings): Connection {
  const worker = inThread(settings);
  return {
    ...worker,
    on(event: string, listener: (message: never) => void) {
      const held: FromWorker[] = [];
      const hear = listener as (message: FromWorker) => void;
      if (event !== "message") return worker.on(event as "exit", listener as () => void);
      return worker.on(event, (message) => {
        if (message.type === "event") return void held.push(message);
        if (message.type === "done") for (const each of held.splice(0)) hear(each);
        hear(message);
      });
    },
  };
}

export interface Served extends Running {
  readonly folder: string;
  /** Everything logged. */
  readonly log: () => string;
  /** A POST of a JSON body. */
  post(path: string, body: unknown, init?: RequestInit): Promise<Response>;
}

/** Serves a tiny model called "tiny" until the test ends. */
export async function serveTiny(
  flags: Record<string, unknown> = {},
  options: Partial<ServeOptions> = {},
  graph: "absorb" | "uniform" = "absorb",
): Promise<Served> {
  const folder = join(await temporaryFolder(), "tiny");
  await mkdir(folder);
  await writeTinyModel(folder, 32, graph);
  const lines: string[] = [];
  const settings = await readSettings({ port: 0, model: [folder], threads: 1, grace: 0.2, ...flags }, {});
  const running = await serve(settings, { log: { write: (line: string) => lines.push(line) }, connect: inThread, ...options });
  let stopped: Promise<void> | undefined;
  const stop = () => (stopped ??= running.stop());
  onTestFinished(stop);
  return {
    address: running.address,
    stop,
    folder,
    log: () => lines.join(""),
    post: (path, body, init = {}) =>
      fetch(running.address + path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        ...init,
      }),
  };
}

/** A request as it is: `fetch` would tidy up its path and headers. */
export const raw = (
  address: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = "GET",
  body?: string | Uint8Array,
): Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(address);
    // A connection for each: one that is kept may be closed by the server in the moment it is used again.
    const outgoing = request({ hostname, port, path, method, headers: { ...headers }, agent: false }, async (message) => {
      const pieces: Buffer[] = [];
      for await (const piece of message) pieces.push(piece as Buffer);
      resolve({ status: message.statusCode!, headers: message.headers, body: Buffer.concat(pieces) });
    });
    outgoing.on("error", reject);
    outgoing.end(body);
  });

/** The data of server-sent events, parsed; "[DONE]" as it is. */
export async function eventsOf(response: Response): Promise<unknown[]> {
  return (await response.text())
    .split("\n\n")
    .filter((event) => event.startsWith("data: "))
    .map((event) => event.slice("data: ".length))
    .map((data) => (data === "[DONE]" ? data : (JSON.parse(data) as unknown)));
}
