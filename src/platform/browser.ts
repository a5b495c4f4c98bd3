/**
 * The machine as a web page or a worker sees it: files are URLs, read with `fetch` and never written. One of the two implementations of `Platform`
 * (types.ts documents each function). A folder is an address below which there is a `config.json`, since HTTP lists no folders. What is read whole is
 * kept in the browser's cache storage, where there is one (secure contexts), and read from there as long as the server still has the same.
 */
import { UserError, messageOf } from "./errors.ts";
import { statedLength } from "./stated-length.ts";
import type { FileData, OpenedFile, OpenOptions, PartialFile } from "./types.ts";
import { fileText } from "./utf8.ts";

let base: string | undefined;

/** What relative paths are relative to (default: the page's or worker's own address). */
export function setBase(url: string): void {
  base = url;
  whole = undefined;
}

function addressOf(path: string): string {
  try {
    return new URL(path, base ?? globalThis.location?.href).href;
  } catch {
    throw new UserError(`cannot read ${path}: it is no address, and no base address is set`);
  }
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const address = addressOf(path);
  const response = await fetch(address, init).catch((error: unknown) => {
    init.signal?.throwIfAborted();
    throw new UserError(`cannot read ${address}: ${messageOf(error)}`);
  });
  if (isMissing(path, response)) {
    await response.body?.cancel();
    throw new UserError(`cannot read ${address}: ${response.ok ? "there is no such file" : `the server answers ${response.status}`}`);
  }
  return response;
}

/** Servers of single-page applications answer for a missing file with their page. */
const isMissing = (path: string, { ok, headers }: Response): boolean =>
  !ok || ((headers.get("content-type") ?? "").startsWith("text/html") && !/\.html?$/.test(path));

/** The last file that a server would not give in ranges, so that it is fetched once and not once a range. */
let whole: { path: string; bytes: Uint8Array } | undefined;

/** Where files are kept, by their addresses. */
const CACHE = "sedd";

const openCache = (): Promise<Cache | undefined> =>
  "caches" in globalThis ? caches.open(CACHE).catch(() => undefined) : Promise.resolve(undefined);

export const readFile = (path: string): Promise<Uint8Array> => wholeFile(path);

export async function openFile(path: string, options?: OpenOptions): Promise<OpenedFile> {
  const bytes = await wholeFile(path, options);
  return { size: bytes.length, read: async (offset, length) => exactly(path, bytes, offset, length, offset).slice() };
}

async function wholeFile(path: string, { onProgress, signal }: OpenOptions = {}): Promise<Uint8Array> {
  const address = addressOf(path);
  const report = (loaded: number, total: number | undefined): void => onProgress?.({ file: baseName(path), loaded, total });
  const cache = await openCache();
  const kept = await cache?.match(address);
  if (kept && (await isCurrent(address, kept.headers, signal))) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    report(bytes.length, bytes.length);
    return bytes;
  }
  await cache?.delete(address);
  // One copy is enough: not in the browser's HTTP cache too.
  const response = await request(path, { ...(cache ? { cache: "no-store" } : {}), signal: signal ?? null });
  const bytes = await download(address, response, report, signal);
  // A full disk is no reason to fail: the next load downloads again.
  await cache?.put(address, new Response(bytes, { headers: validators(response.headers) })).catch(() => undefined);
  return bytes;
}

/** The body to its end; one that is cut off is a UserError. */
async function download(
  address: string,
  { body, headers }: Response,
  report: (loaded: number, total: number | undefined) => void,
  signal: AbortSignal | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const total = statedLength(headers);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let loaded = 0;
  report(0, total);
  try {
    for (const reader = body!.getReader(); ;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      report((loaded += value.length), total);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new UserError(`cannot read ${address}: the download broke off after ${loaded} bytes (${messageOf(error)})`);
  }
  if (total !== undefined && loaded !== total) throw new UserError(`cannot read ${address}: ${loaded} of ${total} bytes came`);
  const bytes = new Uint8Array(loaded);
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  return bytes;
}

const VALIDATORS = ["etag", "last-modified"] as const;

const validators = (headers: Headers): Headers =>
  new Headers(VALIDATORS.flatMap((name): [string, string][] => (headers.has(name) ? [[name, headers.get(name)!]] : [])));

/** Whether the server still has what was kept; a server that does not answer, or cannot, is believed to. */
async function isCurrent(address: string, kept: Headers, signal: AbortSignal | undefined): Promise<boolean> {
  const answer = await fetch(address, { method: "HEAD", cache: "no-store", signal: signal ?? null }).catch(() => undefined);
  signal?.throwIfAborted();
  if (!answer?.ok) return answer?.status !== 404 && answer?.status !== 410;
  const strong = (tag: string | null): string | undefined => tag?.replace(/^W\//, ""); // compression on the way makes a tag weak
  const told = VALIDATORS.find((name) => kept.has(name) && answer.headers.has(name));
  return told !== undefined && strong(kept.get(told)) === strong(answer.headers.get(told));
}

export async function readText(path: string): Promise<string> {
  return fileText(path, await readFile(path));
}

export async function readRange(path: string, offset: number, length: number): Promise<Uint8Array> {
  if (length === 0) return new Uint8Array(0);
  if (whole?.path !== path) {
    const response = await request(path, { headers: { range: `bytes=${offset}-${offset + length - 1}` } });
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (response.status === 206) return exactly(path, bytes, 0, length, offset);
    whole = { path, bytes };
  }
  return exactly(path, whole.bytes, offset, length, offset).slice();
}

function exactly(path: string, bytes: Uint8Array, from: number, length: number, offset: number): Uint8Array {
  if (bytes.length < from + length) {
    throw new UserError(
      `${path} ends before byte ${offset + length}, but bytes ${offset} to ${offset + length} are needed: the file is incomplete`,
    );
  }
  return bytes.subarray(from, from + length);
}

export async function fileSize(path: string): Promise<number> {
  if (whole?.path === path) return whole.bytes.length;
  const length = statedLength((await request(path, { method: "HEAD" })).headers);
  if (length !== undefined) return length;
  whole = { path, bytes: await readFile(path) };
  return whole.bytes.length;
}

/** UserError where the server does not answer at all and nothing is kept. */
export async function exists(path: string): Promise<boolean> {
  const address = addressOf(path);
  if (await (await openCache())?.match(address)) return true;
  const response = await fetch(address, { method: "HEAD" }).catch((error: unknown) => {
    throw new UserError(`cannot reach ${address}: ${messageOf(error)}`);
  });
  return !isMissing(path, response);
}

export const isFolder = (path: string): Promise<boolean> => exists(joinPath(path, "config.json"));

const refuse = (action: string, path: string): Promise<never> =>
  Promise.reject(new UserError(`cannot ${action} ${path}: a browser gives no access to files`));

export const list = (folder: string): Promise<string[]> => refuse("list", folder);
export const makeFolder = (path: string): Promise<void> => refuse("make the folder", path);
export const writeFileAtomic = (path: string, _data: FileData): Promise<void> => refuse("write", path);
export const openPartial = (path: string, _keep: number): Promise<PartialFile> => refuse("write", path);
export const partialSize = (path: string): Promise<number> => refuse("read", path);
export const removeIfEmpty = (folder: string): Promise<void> => refuse("remove", folder);
export const removeFile = (path: string): Promise<void> => refuse("remove", path);
export const appendLine = (path: string, _line: string): Promise<void> => refuse("write", path);
export const lockFolder = (folder: string): Promise<() => Promise<void>> => refuse("lock", folder);

/** Parts with one slash between them; an address as the first part keeps its `//`. */
export const joinPath = (...parts: string[]): string =>
  parts
    .filter((part) => part !== "")
    .map((part, i, all) => (i < all.length - 1 ? part.replace(/\/+$/, "") : part))
    .map((part, i) => (i > 0 ? part.replace(/^\/+/, "") : part))
    .join("/");

export const baseName = (path: string): string => path.replace(/\/+$/, "").replace(/^.*\//, "");
export const dirName = (path: string): string => /^(.*[^/])\/+[^/]+\/*$/.exec(path)?.[1] ?? (path.startsWith("/") ? "/" : ".");
export const cores = (): number => globalThis.navigator?.hardwareConcurrency ?? 1;

export const machine = (): string => `a browser, ${cores()} cores`;

export const macrotask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

/** The browser's cache is no folder. */
export const cacheFolder = (): string => packageFolder();
export const packageFolder = (): string => addressOf("./");
export const inBrowser = true;
