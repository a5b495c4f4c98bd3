/** The page and its files over HTTP: what is served, to whom, and how caches and ranges are answered. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { packageFolder } from "#platform";
import { runtimeFolder } from "../../src/server/page-files.ts";
import { temporaryFolder } from "../cli/support.ts";
import { raw, serveTiny } from "./support.ts";

const script = `console.log("${"page ".repeat(2000)}");\n`;

/** A folder as the build leaves it. */
async function builtPage(): Promise<string> {
  const folder = await temporaryFolder();
  await mkdir(join(folder, "assets"));
  await writeFile(join(folder, "index.html"), "<!doctype html><title>page</title>");
  await writeFile(join(folder, "assets", "index-a1B2c3.js"), script);
  await writeFile(join(folder, "assets", "empty.css"), "");
  await writeFile(join(folder, "secret.txt"), "not of the page");
  return folder;
}

test("the page, its assets, the runtime and shipped models, without a key; nothing else of any folder", async () => {
  const { address } = await serveTiny({ apiKey: "a-long-secret", model: ["renamed=fairytales"] }, { page: await builtPage() });
  const page = await raw(address, "/");
  expect(page).toMatchObject({
    status: 200,
    headers: { "content-type": expect.stringContaining("text/html"), "cache-control": "no-cache" },
  });
  expect(page.headers).toMatchObject({
    "content-security-policy":
      "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  });
  const asset = await raw(address, "/assets/index-a1B2c3.js");
  expect(asset.body.toString()).toBe(script);
  expect(asset.headers).toMatchObject({
    "content-type": expect.stringMatching(/^text\/javascript/),
    "cache-control": expect.stringContaining("immutable"),
    "content-security-policy": page.headers["content-security-policy"], // a worker has that of its own script
  });
  const wasm = await raw(address, "/runtime/ort-wasm-simd-threaded.wasm");
  expect(wasm.headers).toMatchObject({ "content-type": "application/wasm", "cache-control": "no-cache" });
  expect(wasm.body.equals(await readFile(join(runtimeFolder(), "ort-wasm-simd-threaded.wasm")))).toBe(true);
  expect((await raw(address, "/runtime/ort-wasm-simd-threaded.asyncify.mjs")).headers["content-type"]).toMatch(/^text\/javascript/);
  const config = join(packageFolder(), "models", "fairytales", "config.json");
  expect((await raw(address, "/models/fairytales/config.json")).body.toString()).toBe(await readFile(config, "utf8"));
  expect(JSON.parse((await raw(address, "/models/index.json")).body.toString())).toEqual({
    models: [{ name: "fairytales", bytes: expect.toSatisfy((bytes: number) => bytes > 12_000_000 && bytes < 14_000_000) }],
  });
  expect((await raw(address, "/v1/models")).status).toBe(401);
  for (const path of [
    "/secret.txt",
    "/assets/../secret.txt",
    "/assets/..%2fsecret.txt",
    "/assets/%2e%2e/secret.txt",
    "/assets/..%5csecret.txt",
    "/assets/.hidden",
    "/assets/none.js",
    "/assets/",
    "/runtime/ort.all.js",
    "/runtime/..%2fpackage.json",
    "/models/fairytales/README.md",
    "/models/fairytales/..%2f..%2f..%2fpackage.json",
    "/models/..%2fmodels/config.json",
    "/models/renamed/config.json",
  ]) {
    const { status, body } = await raw(address, path);
    expect([path, status]).toEqual([path, 404]);
    expect(JSON.parse(body.toString())).toHaveProperty("error.code", "not_found");
  }
});

test("a model of the user's own is never served; without a built page / leads to the documentation", async () => {
  const { address } = await serveTiny({}, { page: await temporaryFolder() });
  for (const file of ["config.json", "model.safetensors", "tokenizer.json"])
    expect((await raw(address, `/models/tiny/${file}`)).status).toBe(404);
  expect(JSON.parse((await raw(address, "/models/index.json")).body.toString())).toEqual({ models: [] });
  expect(await raw(address, "/")).toMatchObject({ status: 302, headers: { location: "docs" } });
});

test("caches: ETag and 304, also of a compressed answer; another content has another tag", async () => {
  const folder = await builtPage();
  const { address } = await serveTiny({}, { page: folder });
  const path = "/assets/index-a1B2c3.js";
  const plain = await raw(address, path);
  const packed = await raw(address, path, { "accept-encoding": "gzip, br" });
  expect(packed.headers).toMatchObject({ "content-encoding": "gzip", vary: "Accept-Encoding", etag: `W/${String(plain.headers["etag"])}` });
  expect(packed.body.length).toBeLessThan(script.length / 10);
  for (const etag of [plain, packed].map(({ headers }) => String(headers["etag"])))
    for (const header of [etag, `"other", ${etag}`, "*"]) {
      const again = await raw(address, path, { "if-none-match": header, "accept-encoding": "gzip" });
      expect([again.status, again.body.length]).toEqual([304, 0]);
    }
  expect((await raw(address, path, { "if-none-match": '"other"' })).status).toBe(200);
  await writeFile(join(folder, "assets", "index-a1B2c3.js"), script.toUpperCase());
  expect((await raw(address, path, { "if-none-match": String(plain.headers["etag"]) })).status).toBe(200);
  await rm(join(folder, "assets", "index-a1B2c3.js"));
  expect((await raw(address, path)).status).toBe(404);
});

test("HEAD and byte ranges", async () => {
  const { address } = await serveTiny({}, { page: await builtPage() });
  const path = "/assets/index-a1B2c3.js";
  const size = script.length;
  const head = await raw(address, path, {}, "HEAD");
  expect([head.status, head.headers["content-length"], head.headers["accept-ranges"], head.body.length]).toEqual([
    200,
    String(size),
    "bytes",
    0,
  ]);
  const etag = String(head.headers["etag"]);
  const whole = [200, undefined, size];
  const rows: [Record<string, string>, unknown[]][] = [
    [{ range: "bytes=0-9" }, [206, `bytes 0-9/${size}`, 10]],
    [{ range: `bytes=${size - 5}-` }, [206, `bytes ${size - 5}-${size - 1}/${size}`, 5]],
    [{ range: "bytes=-7" }, [206, `bytes ${size - 7}-${size - 1}/${size}`, 7]],
    [{ range: "bytes=0-9", "accept-encoding": "gzip" }, [206, `bytes 0-9/${size}`, 10]],
    [{ range: "bytes=0-9", "if-range": etag }, [206, `bytes 0-9/${size}`, 10]],
    [{ range: `bytes=10-${"9".repeat(30)}` }, [206, `bytes 10-${size - 1}/${size}`, size - 10]],
    [{ range: `bytes=${size}-` }, [416, `bytes */${size}`, 0]],
    [{ range: "bytes=-0" }, [416, `bytes */${size}`, 0]],
    [{ range: "bytes=0-9", "if-range": '"other"' }, whole],
    [{ range: "bytes=9-0" }, whole],
    [{ range: "bytes=0-1,3-4" }, whole],
    [{ range: "lines=0-1" }, whole],
    [{ range: "bytes=-" }, whole],
  ];
  for (const [headers, expected] of rows) {
    const { status, headers: told, body } = await raw(address, path, headers);
    expect([headers, status, told["content-range"], body.length]).toEqual([headers, ...expected]);
    if (status === 206) {
      const start = Number(/\d+/.exec(String(told["content-range"]))![0]);
      expect(body.toString()).toBe(script.slice(start, start + body.length));
    }
  }
  expect(await raw(address, "/assets/empty.css", { range: "bytes=0-" })).toMatchObject({ status: 416 });
  expect((await raw(address, "/assets/empty.css")).body.length).toBe(0);
});
