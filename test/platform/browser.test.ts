import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import * as browser from "../../src/platform/browser.ts";
import { UserError } from "../../src/platform/errors.ts";
import type { Platform, Progress } from "../../src/platform/types.ts";

const platform: Platform = browser; // the compiler checks that nothing is missing

const content = Uint8Array.from({ length: 100 }, (_, i) => i);
let server: Server;
let address: string;
let requests: string[] = [];

/** /ranges/… serves ranges; /plain/… ignores them; /spa/… answers with a page for everything. */
function serve(request: IncomingMessage, response: ServerResponse): void {
  requests.push(`${request.method} ${request.url}`);
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
  if (request.url!.startsWith("/spa/")) {
    response.setHeader("content-type", "text/html").end("<html>");
  } else if (request.url === "/text/bad") {
    response.end(Uint8Array.of(0x61, 0xff));
  } else if (!/\/(data|config\.json)$/.test(request.url!)) {
    response.writeHead(404).end();
  } else if (range !== null && request.url!.startsWith("/ranges/")) {
    response.writeHead(206).end(content.subarray(Number(range[1]), Number(range[2]) + 1));
  } else {
    response.setHeader("content-length", content.length).end(content);
  }
}

beforeAll(async () => {
  server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  browser.setBase(`${address}/`);
});
afterAll(() => void server.close());

const refusal = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe("reading over HTTP", () => {
  test("files relative to the base, and by address", async () => {
    expect(await platform.readFile("plain/data")).toEqual(content);
    expect(await platform.readFile(`${address}/plain/data`)).toEqual(content);
    expect(await platform.readText("plain/data")).toBe(new TextDecoder().decode(content));
    expect(await platform.fileSize("ranges/data")).toBe(100);
  });

  test("ranges, and one request in all from a server that has none", async () => {
    expect(await platform.readRange("ranges/data", 10, 5)).toEqual(content.slice(10, 15));
    requests = [];
    for (let at = 0; at < 100; at += 10) expect(await platform.readRange("plain/data", at, 10)).toEqual(content.slice(at, at + 10));
    expect(requests).toHaveLength(1);
    for (const path of ["ranges/data", "plain/data"]) {
      expect(String(await refusal(platform.readRange(path, 95, 10)))).toContain("ends before byte 105");
    }
  });

  test("a file to be read in pieces comes whole, once, with progress", async () => {
    requests = [];
    const reports: Progress[] = [];
    const opened = await platform.openFile("ranges/data", { onProgress: (progress) => reports.push(progress) });
    expect([opened.size, await opened.read(10, 5), await opened.read(0, 2)]).toEqual([100, content.slice(10, 15), content.slice(0, 2)]);
    expect(requests).toEqual(["GET /ranges/data"]);
    expect(reports[0]).toEqual({ file: "data", loaded: 0, total: 100 });
    expect(reports.at(-1)).toEqual({ file: "data", loaded: 100, total: 100 });
    expect(String(await refusal(opened.read(95, 10)))).toContain("ends before byte 105");
    expect(await refusal(platform.openFile("ranges/data", { signal: AbortSignal.abort(new Error("enough")) }))).toEqual(
      new Error("enough"),
    );
  });

  test("what is missing", async () => {
    expect(await refusal(platform.readFile("missing"))).toEqual(new UserError(`cannot read ${address}/missing: the server answers 404`));
    expect(await refusal(platform.readFile("spa/model"))).toEqual(new UserError(`cannot read ${address}/spa/model: there is no such file`));
    expect(await refusal(platform.readFile("http://127.0.0.1:1/x"))).toBeInstanceOf(UserError);
    expect(String(await refusal(platform.readText("text/bad")))).toContain("not UTF-8: invalid byte at offset 1");
    expect(await Promise.all(["plain/data", "missing", "spa/x"].map(platform.exists))).toEqual([true, false, false]);
    expect(await Promise.all(["plain", "spa"].map(platform.isFolder))).toEqual([true, false]);
  });

  test("everything that needs a disk is refused", async () => {
    for (const promise of [
      platform.list("a"),
      platform.makeFolder("a"),
      platform.writeFileAtomic("a", ""),
      platform.appendLine("a", ""),
      platform.removeFile("a"),
      platform.lockFolder("a"),
    ]) {
      const error = await refusal(promise);
      expect(error).toBeInstanceOf(UserError);
      expect(String(error)).toContain("a browser gives no access to files");
    }
  });
});

describe("the rest", () => {
  test("paths", () => {
    expect(platform.joinPath("https://a.b/c/", "/d", "e")).toBe("https://a.b/c/d/e");
    expect(platform.joinPath("", "d")).toBe("d");
    expect(platform.baseName("https://a.b/c/d.json")).toBe("d.json");
    expect(platform.baseName("a/b/")).toBe("b");
    expect(["a/b/c", "a", "/a", "https://a.b/c"].map(platform.dirName)).toEqual(["a/b", ".", "/", "https://a.b"]);
    expect(platform.packageFolder()).toMatch(/\/$/);
  });

  test("macrotask and cores", async () => {
    let done = false;
    setTimeout(() => (done = true), 0);
    for (let turns = 0; !done && turns < 1e6; turns++) await platform.macrotask();
    expect(done).toBe(true);
    expect(platform.cores()).toBeGreaterThan(0);
  });

  test("imports nothing of Node's", () => {
    for (const file of ["browser.ts", "utf8.ts", "errors.ts"]) {
      expect(readFileSync(new URL(`../../src/platform/${file}`, import.meta.url), "utf8")).not.toMatch(/from "node:/);
    }
  });
});
