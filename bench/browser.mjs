/**
 * The shipped model in a page (headless Chromium, WebAssembly on all cores) against Node's native runtime, a sample of each in turn:
 * `node bench/browser.mjs [runs]`. Chromium: SEDD_CHROMIUM, or /usr/bin/chromium.
 */
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join, resolve } from "node:path";
import { chromium } from "playwright-core";
import { build } from "vite";
import { load } from "../dist/index.js";
import { machine, median } from "./harness.mjs";

const runs = Number(process.argv[2] ?? 7);
const wanted = { length: 64, steps: 64 };

/** The page of test/browser/engine: a worker whose model is called from here. */
const folder = await mkdtemp(join(tmpdir(), "sedd-bench-"));
await cp("test/browser/engine", folder, { recursive: true });
await mkdir(join(folder, "node_modules"));
await symlink(resolve("."), join(folder, "node_modules", "sedd"), "junction");
await build({ root: folder, base: "./", worker: { format: "es" }, build: { outDir: "built" }, logLevel: "error" });

const types = { ".html": "text/html", ".js": "text/javascript", ".wasm": "application/wasm" };
const server = createServer(async (request, response) => {
  const path = request.url === "/" ? "/index.html" : request.url;
  const bytes = await readFile(path.startsWith("/models/") ? path.slice(1) : join(folder, "built", path)).catch(() => undefined);
  response.writeHead(bytes ? 200 : 404, {
    "content-type": types[extname(path)] ?? "application/octet-stream",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
  });
  response.end(request.method === "HEAD" ? undefined : bytes);
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const url = `http://127.0.0.1:${server.address().port}/`;
const browser = await chromium.launch({ executablePath: process.env.SEDD_CHROMIUM ?? "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
await page.goto(url);
const engine = (...call) => page.evaluate((call) => globalThis.engine(...call), call);

const model = await load("fairytales");
await engine("load", `${url}models/fairytales/`);
const native = (seed) => model.sample({ ...wanted, seed });
const inPage = (seed) => engine("sample", { ...wanted, seed });

console.log(`${machine()}; Chromium ${browser.version()}; model ${model.name}, ${wanted.length} tokens, ${wanted.steps} steps`);
await native(0);
await inPage(0);
const times = { native: [], page: [] };
let equal = 0;
for (let seed = 1; seed <= runs; seed++) {
  const [[a], [b]] = [await native(seed), await inPage(seed)];
  times.native.push(a.milliseconds);
  times.page.push(b.milliseconds);
  if (a.tokens.join() === b.tokens.join()) equal++;
}
const ratios = times.page.map((time, i) => times.native[i] / time);
console.log(
  `native ${(median(times.native) / wanted.steps).toFixed(1)} ms a step, page ${(median(times.page) / wanted.steps).toFixed(1)} ms`,
);
console.log(
  `the page's speed is ${median(ratios).toFixed(2)} of the native one (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}; median of ${runs})`,
);
console.log(`the same tokens in ${equal} of ${runs} samples`);
await model.dispose();
await browser.close();
server.close();
await rm(folder, { recursive: true });
