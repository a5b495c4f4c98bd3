/**
 * A real browser for tests: Chromium, headless, and pages from folders served on loopback. A page that logs an error, throws one, or asks another host
 * for anything fails its test. Where there is no Chromium, {@link inChromium} skips and says so.
 */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { afterAll, describe, expect } from "vitest";

function findChromium(): string | undefined {
  const named = process.env["SEDD_CHROMIUM"];
  if (named !== undefined && !existsSync(named)) throw new Error(`SEDD_CHROMIUM=${named}: there is no such file`);
  return [named, "/usr/bin/chromium", "/usr/bin/google-chrome", chromium.executablePath()].find((path) => path && existsSync(path));
}

const executable = findChromium();
if (!executable) console.warn("Tests in a browser are skipped: no Chromium is found; name one in SEDD_CHROMIUM");

/** `describe` where there is a Chromium, else skipped. */
export const inChromium = executable ? describe : describe.skip;

/** Software WebGPU. */
export const WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"] as const;

const browsers = new Map<string, Promise<Browser>>();
afterAll(async () => {
  for (const browser of browsers.values()) await (await browser).close();
});

/** One browser for each set of flags in a test file, closed at the file's end. */
export function browserWith(flags: readonly string[] = []): Promise<Browser> {
  const key = flags.join(" ");
  let browser = browsers.get(key);
  if (!browser) {
    const quiet = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];
    browser = chromium.launch({ ...(executable ? { executablePath: executable } : {}), args: [...quiet, ...flags] });
    browsers.set(key, browser);
  }
  return browser;
}

export interface PageOptions extends BrowserContextOptions {
  /** Of Chromium. */
  readonly flags?: readonly string[];
  /** Console errors that the test brings about on purpose; all others fail it. */
  readonly expected?: RegExp;
}

/** Opens an address in a fresh profile, and checks afterwards that nothing went wrong in the page or its workers and no other host was asked. */
export async function withPage<T>(
  url: string,
  use: (page: Page) => Promise<T>,
  { flags, expected, ...context }: PageOptions = {},
): Promise<T> {
  const profile = await (await browserWith(flags)).newContext(context);
  const wrong: string[] = [];
  const { origin } = new URL(url);
  profile.on("request", (request) => {
    const to = new URL(request.url());
    if (/^(https?|wss?):$/.test(to.protocol) && to.origin !== origin) wrong.push(`asked for ${to.href}`);
  });
  profile.on("weberror", (error) => wrong.push(`threw ${error.error().stack ?? error.error().message}`));
  profile.on("console", (message) => {
    if (message.type() === "error" && !expected?.test(message.text())) wrong.push(`logged ${message.text()} (${message.location().url})`);
  });
  try {
    const page = await profile.newPage();
    await page.goto(url);
    const result = await use(page);
    expect(wrong, "what the page did wrong").toEqual([]);
    return result;
  } catch (error) {
    if (error instanceof Error && wrong.length > 0) error.message += `\nThe page:\n${wrong.join("\n")}`;
    throw error;
  } finally {
    await profile.close();
  }
}

/** What makes a page cross-origin isolated, so that WebAssembly may use threads. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" } as const;

const types: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".mjs": "text/javascript",
  ".css": "text/css",
  ".json": "application/json",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

export interface ServeOptions {
  /** Sent with every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Answers in place of the folders where it returns true. */
  readonly answer?: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface Served {
  /** Ends with a slash. */
  readonly url: string;
  /** `GET /path`, in the order in which they came. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** Serves folders by the paths they stand at, the longest first: `{ "/": "site", "/models/": "models" }`. */
export async function serveFolders(
  folders: Readonly<Record<string, string>>,
  { headers = {}, answer }: ServeOptions = {},
): Promise<Served> {
  const places = Object.entries(folders).sort(([a], [b]) => b.length - a.length);
  const requests: string[] = [];
  const server = createServer(async (request, response) => {
    const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname);
    requests.push(`${request.method} ${path}`);
    if (answer?.(request, response)) return;
    const place = places.find(([prefix]) => path.startsWith(prefix));
    const file = place && join(place[1], normalize(`/${path.slice(place[0].length)}${path.endsWith("/") ? "index.html" : ""}`));
    const info = file === undefined ? undefined : await stat(file).catch(() => undefined);
    if (!info?.isFile()) {
      // Browsers ask for an icon of their own accord.
      response.writeHead(path === "/favicon.ico" ? 204 : 404, headers).end();
      return;
    }
    response.writeHead(200, {
      ...headers,
      "content-type": types[extname(file!)] ?? "application/octet-stream",
      "content-length": info.size,
      etag: `"${info.size}-${info.mtimeMs}"`,
      "cache-control": "no-cache",
    });
    response.end(request.method === "HEAD" ? undefined : await readFile(file!));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
