/** A model hub on this machine: files of repositories over HTTP with tags and ranges, and what goes wrong with hubs. */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";

export interface Asked {
  /** The path after the hub's address, without what a `?` begins; or "cdn" and the file where the hub sent elsewhere. */
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
}

export interface TestHub {
  readonly address: string;
  /** Contents by `owner/name/FILE`; they may change. */
  readonly files: Map<string, Uint8Array>;
  /** All requests so far. */
  readonly asked: Asked[];
  /** The cache that this test's loads use. */
  readonly cache: string;
  /** `x-repo-commit`. */
  commit: string | undefined;
  /** Whoever has another token gets 401. */
  token: string | undefined;
  /** Files with these names come from another origin. */
  elsewhere: RegExp;
  /** How files are answered for, if not as they should be; `true` where the answer was given. */
  odd: ((name: string, request: IncomingMessage, response: ServerResponse, content: Uint8Array) => boolean) | undefined;
  /** The files asked for, by name, and how each was answered: "config.json 200". */
  readonly answers: string[];
}

const tagOf = (content: Uint8Array): string => `"${createHash("sha256").update(content).digest("hex").slice(0, 16)}"`;

async function listening(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts a hub for one test, and lets the environment name it, with a cache of its own. */
export async function startHub(files: Readonly<Record<string, Uint8Array | string>> = {}): Promise<TestHub> {
  const cache = await mkdtemp(join(tmpdir(), "sedd-cache-"));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
  const contents = new Map(Object.entries(files).map(([path, content]) => [path, bytesOf(content)]));
  const hub = { files: contents, asked: [], cache, commit: "c1", elsewhere: /^$/, answers: [] } as unknown as Mutable<TestHub>;
  const file = (path: string, request: IncomingMessage, response: ServerResponse): void => {
    const name = path.split("/").at(-1)!;
    const content = contents.get(path);
    response.on("finish", () => hub.answers.push(`${name} ${response.statusCode}`));
    if (content === undefined) return void response.writeHead(404, { "x-error-code": "EntryNotFound" }).end("Entry not found");
    if (hub.odd?.(name, request, response, content)) return;
    sendFile(request, response, content);
  };
  const cdn = await listening((request, response) => {
    const path = decodeURIComponent(request.url!.slice(1));
    hub.asked.push({ path: `cdn ${path}`, headers: request.headers });
    file(path, request, response);
  });
  hub.address = await listening((request, response) => {
    const path = decodeURIComponent(request.url!.slice(1).replace(/\?.*/, ""));
    hub.asked.push({ path, headers: request.headers });
    const [, id, name] = /^([^/]+\/[^/]+)\/resolve\/main\/([^/]+)$/.exec(path) ?? [];
    if (hub.token !== undefined && request.headers.authorization !== `Bearer ${hub.token}`) return void response.writeHead(401).end();
    if (hub.commit !== undefined) response.setHeader("x-repo-commit", hub.commit);
    if (!id || ![...contents.keys()].some((key) => key.startsWith(`${id}/`)))
      return void response.writeHead(404).end("Repository not found");
    if (hub.elsewhere.test(name!) && contents.has(`${id}/${name}`))
      return void response.writeHead(302, { location: `${cdn}/${id}/${name}` }).end();
    file(`${id}/${name}`, request, response);
  });
  for (const [name, value] of Object.entries({ HF_ENDPOINT: hub.address, SEDD_CACHE: cache, HF_TOKEN: "", HF_HUB_OFFLINE: "" }))
    vi.stubEnv(name, value);
  onTestFinished(() => void vi.unstubAllEnvs());
  return hub;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const bytesOf = (content: Uint8Array | string): Uint8Array => (typeof content === "string" ? new TextEncoder().encode(content) : content);

/** As a server should: tags, a range from a byte on, nothing where nothing changed. */
export function sendFile(request: IncomingMessage, response: ServerResponse, content: Uint8Array): void {
  const etag = tagOf(content);
  response.setHeader("etag", etag);
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const goesOn = from > 0 && (request.headers["if-range"] ?? etag) === etag;
  if (goesOn && from >= content.length) return void response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
  if (!goesOn) return void response.writeHead(200, { "content-length": content.length }).end(content);
  response.writeHead(206, {
    "content-length": content.length - from,
    "content-range": `bytes ${from}-${content.length - 1}/${content.length}`,
  });
  response.end(content.subarray(from));
}

/** Sends the beginning of a file, with the whole's length, and hangs up, or waits for ever. */
export function sendPart(response: ServerResponse, content: Uint8Array, bytes: number, then: "hang up" | "wait"): true {
  response.writeHead(200, { etag: tagOf(content), "content-length": content.length });
  response.write(content.subarray(0, bytes), () => then === "hang up" && setTimeout(() => response.destroy(), 20));
  return true;
}
