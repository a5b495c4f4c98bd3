/**
 * A file as an answer: type, ETag, 304, HEAD, byte ranges. (hono's serveStatic has no ETags, nor If-Range, and answers a range that it cannot read with 206.)
 * ETags are digests of the content: packages are installed with one time stamp for all files, so time and size do not tell versions apart.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Context } from "hono";
import { getMimeType } from "hono/utils/mime";

/** Digests of files as they were at a time and size. */
const digests = new Map<string, { readonly version: string; readonly digest: Promise<string> }>();

/**
 * @param caching the header cache-control
 * @returns undefined where there is no such file
 */
export async function sendFile(c: Context, path: string, caching: string): Promise<Response | undefined> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return undefined;
  const { size } = info;
  const etag = `"${await digestOf(path, `${info.mtimeMs} ${size}`)}"`;
  c.header("etag", etag);
  c.header("cache-control", caching);
  c.header("accept-ranges", "bytes");
  if (matches(c.req.header("if-none-match"), etag)) return c.body(null, 304);
  c.header("content-type", getMimeType(path) ?? "application/octet-stream");
  const condition = c.req.header("if-range");
  const range = condition === undefined || condition === etag ? readRange(c.req.header("range"), size) : undefined;
  if (range === "beyond") {
    c.header("content-range", `bytes */${size}`);
    return c.body(null, 416);
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  if (range) c.header("content-range", `bytes ${start}-${end}/${size}`);
  c.header("content-length", String(end - start + 1));
  const status = range ? 206 : 200;
  // A stream that nobody reads would keep its file open.
  if (c.req.method === "HEAD" || size === 0) return c.body(null, status);
  return c.body(Readable.toWeb(createReadStream(path, { start, end })) as ReadableStream, status);
}

function digestOf(path: string, version: string): Promise<string> {
  const known = digests.get(path);
  if (known?.version === version) return known.digest;
  const digest = readDigest(path);
  digest.catch(() => digests.delete(path));
  digests.set(path, { version, digest });
  return digest;
}

async function readDigest(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest("base64url").slice(0, 22);
}

/** If-None-Match compares weakly: compressed, the tag is weak. */
const matches = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(",").some((tag) => ["*", etag].includes(tag.trim().replace(/^W\//, "")));

/** The one range that is asked for, inclusive. What cannot be read, and several ranges, are passed over, as HTTP has it. */
function readRange(header: string | undefined, size: number): { start: number; end: number } | "beyond" | undefined {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(header?.trim() ?? "") ?? [];
  if (first === undefined || last === undefined || first + last === "") return undefined;
  if (first === "") return Number(last) === 0 || size === 0 ? "beyond" : { start: Math.max(0, size - Number(last)), end: size - 1 };
  if (last !== "" && Number(last) < Number(first)) return undefined;
  if (Number(first) >= size) return "beyond";
  return { start: Number(first), end: last === "" ? size - 1 : Math.min(Number(last), size - 1) };
}
