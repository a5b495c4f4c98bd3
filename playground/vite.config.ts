/** Builds the page from the sources into dist/playground: `sedd serve` serves it, `sedd playground` copies it. */
import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  root: at("."),
  // Relative: the page works in any folder of any host.
  base: "./",
  resolve: {
    alias: { sedd: at("../src/index.ts"), "#platform": at("../src/platform/browser.ts") },
    // The runtime's WebAssembly lies beside the page (runtime/), not inside its bundle: it is fetched when a model is.
    conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "development|production"],
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  worker: { format: "es" },
  build: { outDir: at("../dist/playground"), emptyOutDir: true, target: "es2022", reportCompressedSize: false, assetsInlineLimit: 0 },
});
