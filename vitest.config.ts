import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

// The tests run the sources, not the build: `source` is the condition of package.json's imports that leads there.
const conditions = ["source", "node", "import", "default"];
// The page says `sedd` for what it uses.
const alias = [{ find: /^sedd$/, replacement: fileURLToPath(new URL("src/index.ts", import.meta.url)) }];

export default defineConfig({
  resolve: { conditions, alias },
  ssr: { resolve: { conditions } },
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // It publishes its sources under the condition `source` too, as TypeScript, which Node would not run.
    server: { deps: { inline: [/@ai-sdk/, "eventsource-parser"] } },
    // Two cores: several files at once would only fight over the runtime's threads.
    maxWorkers: 2,
  },
});
