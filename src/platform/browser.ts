/**
 * The machine as a web page or a worker sees it: files are URLs, read with `fetch` and never written. One of the two implementations of `Platform`
 * (types.ts documents each function). A folder is an address below which there is a `config.json`, since HTTP lists no folders.
 */
import { UserError, messageOf } from "./errors.ts";
import type { FileData } from "./types.ts";
import { decodeUtf8, invalidUtf8At } from "./utf8.ts";

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
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch (error) {
    throw new UserError(`cannot read ${address}: ${messageOf(error)}`);
  }
  if (!response.ok || isFallbackPage(path, response)) {
    await response.body?.cancel();
    throw new UserError(`cannot read ${address}: ${response.ok ? "there is no such file" : `the server answers ${response.status}`}`);
  }
  return response;
}

/** Servers of single-page applications answer for a missing file with their page. */
function isFallbackPage(path: string, response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith("text/html") && !/\.html?$/.test(path);
}

/** The last file that a server would not give in ranges, so that it is fetched once and not once a range. */
let whole: { path: string; bytes: Uint8Array } | undefined;

export async function readFile(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await request(path)).arrayBuffer());
}

export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  const text = decodeUtf8(bytes);
  if (text === undefined)
    throw new UserError(`${path} is not UTF-8: invalid byte at offset ${invalidUtf8At(bytes)}; convert the file to UTF-8`);
  return text;
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
  const { headers } = await request(path, { method: "HEAD" });
  const length = headers.get("content-length");
  // A compressed transfer states its own length, not the file's.
  if (length !== null && (headers.get("content-encoding") ?? "identity") === "identity") return Number(length);
  whole = { path, bytes: await readFile(path) };
  return whole.bytes.length;
}

export async function exists(path: string): Promise<boolean> {
  return request(path, { method: "HEAD" }).then(
    () => true,
    () => false,
  );
}

export const isFolder = (path: string): Promise<boolean> => exists(joinPath(path, "config.json"));

const refuse = (action: string, path: string): Promise<never> =>
  Promise.reject(new UserError(`cannot ${action} ${path}: a browser gives no access to files`));

export const list = (folder: string): Promise<string[]> => refuse("list", folder);
export const makeFolder = (path: string): Promise<void> => refuse("make the folder", path);
export const writeFileAtomic = (path: string, _data: FileData): Promise<void> => refuse("write", path);
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

export const macrotask = (): Promise<void> =>
  new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });

/** The address two levels above this module. */
export const packageFolder = (): string => new URL("../../", import.meta.url).href;
