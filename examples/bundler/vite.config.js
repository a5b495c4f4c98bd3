import { defineConfig } from "vite";

// Cross-origin isolation, which threads need. Send the same two headers where the built page is hosted.
const headers = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp" };

export default defineConfig({
  base: "./",
  worker: { format: "es" },
  // The development server must leave the runtime where it is: it finds its WebAssembly beside itself.
  optimizeDeps: { exclude: ["onnxruntime-web", "sedd"] },
  server: { headers },
  preview: { headers },
});
