/** The engine in a real browser, bundled from the built package: `import { load } from "sedd"` in a web worker, under a strict policy. */
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LoadOptions, Progress } from "../../src/model.ts";
import { load, type Sample, type SampleOptions } from "../../src/index.ts";
import { root } from "../house/tools.ts";
import { buildPage, type Built } from "./build.ts";
import { inChromium, ISOLATED, serveFolders, WEBGPU, withPage, type ServeOptions, type Served } from "./chromium.ts";

const POLICY = {
  "content-security-policy":
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:",
};
const MODEL = "models/fairytales/";
const WEIGHTS = `/${MODEL}model.safetensors`;
const WANTED: SampleOptions = { length: 16, steps: 8, seed: 5 };

/** What a test asks of the page's worker (engine/worker.js). */
interface Calls {
  load(name: string, options?: Omit<LoadOptions, "onProgress">): Progress[];
  sample(options: SampleOptions): Sample[];
  samples(all: SampleOptions[]): Sample[][];
  logScore(tokens: number[], sigma: number[]): number[];
  dispose(): void;
}

/** Calls the worker of a page; an error of the worker's is one here. */
const engineOf =
  (page: Page) =>
  <M extends keyof Calls>(method: M, ...args: Parameters<Calls[M]>): Promise<ReturnType<Calls[M]>> =>
    page.evaluate(([method, args]) => (globalThis as unknown as { engine(...all: unknown[]): Promise<unknown> }).engine(method, ...args), [
      method,
      args,
    ] as const) as Promise<ReturnType<Calls[M]>>;

const tokensOf = (samples: readonly Sample[]): number[][] => samples.map(({ tokens }) => tokens);

/** The same on a device of Node's. */
async function inNode(device: "cpu" | "wasm"): Promise<{ tokens: number[][]; scores: Float32Array; tokensScored: Int32Array }> {
  const model = await load("fairytales", { device, threads: 2 });
  const tokens = tokensOf(await model.sample(WANTED));
  const text = model.tokenizer.encode("Once upon a time there was a king who had a daughter, and").subarray(0, 12);
  const tokensScored = Int32Array.from(text, (token, i) => (i % 3 === 1 ? model.tokenizer.size : token));
  const scores = await model.logScore(tokensScored, Float64Array.of(0.7));
  await model.dispose();
  return { tokens, scores, tokensScored };
}

inChromium("in a bundle", () => {
  let page: Built;
  let cpu: Awaited<ReturnType<typeof inNode>>;
  let wasm: Awaited<ReturnType<typeof inNode>>;
  beforeAll(async () => {
    page = await buildPage("test/browser/engine");
    cpu = await inNode("cpu");
    wasm = await inNode("wasm");
  });
  afterAll(() => page?.remove());

  /** The page with models beside it. */
  async function served(
    use: (site: Served) => Promise<void>,
    headers: ServeOptions["headers"] = { ...ISOLATED, ...POLICY },
    answer?: ServeOptions["answer"],
  ): Promise<void> {
    const folders = {
      "/": page.folder,
      "/models/": join(root, "models"),
      "/runtime/": join(root, "node_modules", "onnxruntime-web", "dist"),
    };
    const site = await serveFolders(folders, { headers: headers ?? {}, ...(answer ? { answer } : {}) });
    try {
      await use(site);
    } finally {
      await site.close();
    }
  }

  test("WebAssembly with threads: progress, and the tokens of Node", () =>
    served(({ url }) =>
      withPage(url, async (page) => {
        const engine = engineOf(page);
        const reports = await engine("load", `${url}${MODEL}`, { device: "wasm", threads: 2 });
        const { total } = reports.at(-1)!;
        expect(reports[0]).toEqual({ file: "model.safetensors", loaded: 0, total });
        expect(reports.at(-1)!.loaded).toBe(total);
        expect(reports.map(({ loaded }) => loaded)).toEqual(reports.map(({ loaded }) => loaded).sort((a, b) => a - b));
        expect(reports.length).toBeGreaterThan(2);
        expect(tokensOf(await engine("sample", WANTED))).toEqual(wasm.tokens);
        // Node's two builds round differently, but draws this few hardly ever fall between the roundings.
        expect(wasm.tokens).toEqual(cpu.tokens);
        expect(await engine("logScore", [...wasm.tokensScored], [0.7])).toEqual(Array.from(wasm.scores));
        await engine("dispose");
      }),
    ));

  test("the runtime's files in a folder of the application's own", () =>
    served(({ url, requests }) =>
      withPage(url, async (page) => {
        const engine = engineOf(page);
        await engine("load", `${url}${MODEL}`, { device: "cpu", threads: 2, runtime: `${url}runtime` });
        expect(tokensOf(await engine("sample", WANTED))).toEqual(wasm.tokens);
        expect(requests).toContain("GET /runtime/ort-wasm-simd-threaded.wasm");
        expect(requests.filter((request) => /\/assets\/.*\.wasm$/.test(request))).toEqual([]);
      }),
    ));

  test("a page that is not isolated has one thread, and computes the same", () =>
    served(
      ({ url }) =>
        withPage(url, async (page) => {
          expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
          const engine = engineOf(page);
          await engine("load", `${url}${MODEL}`, { threads: 2 });
          expect(tokensOf(await engine("sample", WANTED))).toEqual(wasm.tokens);
        }),
      POLICY,
    ));

  describe("the cache", () => {
    const downloads = ({ requests }: Served): number => requests.filter((request) => request === `GET ${WEIGHTS}`).length;

    test("a second load asks only whether the files are the same; without a network it does without", () =>
      served((site) =>
        withPage(
          site.url,
          async (page) => {
            const engine = engineOf(page);
            await engine("load", `${site.url}${MODEL}`);
            expect(downloads(site)).toBe(1);
            const before = site.requests.length;
            await page.reload();
            const again = engineOf(page);
            const reports = await again("load", `${site.url}${MODEL}`);
            expect(reports).toEqual([{ file: "model.safetensors", loaded: reports[0]!.total, total: reports[0]!.total }]);
            const asked = site.requests.slice(before).filter((request) => request.includes(MODEL));
            expect(asked.sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"].map((file) => `HEAD /${MODEL}${file}`));
            await site.close();
            await again("load", `${site.url}${MODEL}`);
          },
          { expected: /ERR_CONNECTION_REFUSED/ },
        ),
      ));

    test("a file that changed is downloaded again; a download that is cut is kept nowhere", () => {
      let changed = false;
      let cut = true;
      return served(
        (site) =>
          withPage(
            site.url,
            async (page) => {
              const engine = engineOf(page);
              await engine("load", `${site.url}${MODEL}`);
              changed = true;
              await expect(engine("load", `${site.url}${MODEL}`)).rejects.toThrow(
                /UserError: cannot read .*model\.safetensors: the download broke off after \d+ bytes/,
              );
              cut = false;
              await engine("load", `${site.url}${MODEL}`);
              expect(downloads(site)).toBe(3);
            },
            { expected: /ERR_CONTENT_LENGTH_MISMATCH/ },
          ),
        undefined,
        ({ url, method }, response) => {
          if (url !== WEIGHTS || !changed || (method === "GET" && !cut)) return false;
          response.writeHead(200, { etag: '"changed"', "content-length": 12_873_810 });
          if (method === "HEAD") response.end();
          else response.write(new Uint8Array(1000), () => response.destroy());
          return true;
        },
      );
    });
  });

  test("a model that is not there, and a device that is not there, are told in a line", () =>
    served(({ url }) =>
      withPage(
        url,
        async (page) => {
          const engine = engineOf(page);
          await expect(engine("load", "nosuch")).rejects.toThrow(
            /UserError: model nosuch: there is no http:.*\/models\/nosuch\/config\.json; put the model's files there/,
          );
          await expect(engine("load", `${url}${MODEL}`, { device: "webgpu" })).rejects.toThrow(
            /UserError: device webgpu: this browser offers no/,
          );
        },
        { expected: /404/ },
      ),
    ));

  test(
    "WebGPU: log-scores of Node's within float32's rounding, and samples, also at the same time",
    () =>
      served(({ url }) =>
        withPage(
          url,
          async (page) => {
            const engine = engineOf(page);
            await engine("load", `${url}${MODEL}`, { device: "webgpu" });
            const scores = await engine("logScore", [...cpu.tokensScored], [0.7]);
            // Scores are of order 10; Node's two builds differ by 5e-5 here.
            const worst = Math.max(...scores.map((score, i) => Math.abs(score - cpu.scores[i]!)));
            expect(worst).toBeLessThan(1e-3);
            const drawn = await engine("samples", [
              { ...WANTED, steps: 2 },
              { ...WANTED, steps: 2 },
            ]);
            expect(drawn.map(tokensOf)).toEqual([tokensOf(drawn[0]!), tokensOf(drawn[0]!)]);
            expect(drawn[0]![0]!.tokens).toHaveLength(WANTED.length!);
          },
          { flags: WEBGPU },
        ),
      ),
    400_000,
  );
});
