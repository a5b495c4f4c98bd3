/** The rules of the house as tests: types, imports, lint, format, unused code. A failure shows the tool's own findings. */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { printed, root, runTool } from "./tools.ts";

const rules = [
  { rule: "types hold in src, test and bench", tool: "typescript", bin: "tsc", args: ["--noEmit"], again: "npm run check" },
  { rule: "types hold in the page", tool: "typescript", bin: "tsc", args: ["--noEmit", "-p", "playground"], again: "npm run check" },
  {
    rule: "imports go one way",
    tool: "dependency-cruiser",
    bin: "depcruise",
    args: ["-c", ".dependency-cruiser.mjs", "-T", "err-long", "src", "test", "bench", "playground"],
    again: "npm run imports",
  },
  { rule: "lint", tool: "oxlint", bin: "oxlint", args: [], again: "npm run lint" },
  { rule: "format", tool: "oxfmt", bin: "oxfmt", args: ["--list-different"], again: "npm run format" },
  { rule: "no unused files, exports or dependencies", tool: "knip", bin: "knip", args: ["--no-progress"], again: "npm run unused" },
];

it.each(rules)("$rule", async ({ tool, bin, args, again }) => {
  const outcome = await runTool(tool, bin, args);
  if (outcome.code !== 0) expect.fail(`${again} finds:\n${printed(outcome)}`);
});

it("the one-way rule bites", async () => {
  const folder = await mkdtemp(join(tmpdir(), "sedd-imports-"));
  const files = {
    "src/platform/up.ts": `import "../tensor/execution.ts";`,
    "src/tensor/execution.ts": `import "onnxruntime-node";`,
    "src/diffusion/runs.ts": `import "../tensor/execution.ts";`,
    "src/text/door.ts": `import "onnxruntime-node";`,
    "src/text/circle.ts": `import "./back.ts";`,
    "src/text/back.ts": `import "./circle.ts";`,
    "src/text/tested.ts": `import "../../test/some.ts";`,
    "src/text/nowhere.ts": `import "./gone.ts";`,
    "src/attic/homeless.ts": `import "../text/circle.ts";`,
    "playground/deep.ts": `import "../src/text/back.ts";`,
    "test/some.ts": ``,
    "tsconfig.json": `{ "compilerOptions": { "module": "NodeNext", "allowImportingTsExtensions": true, "noEmit": true } }`,
  };
  try {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(join(folder, dirname(path)), { recursive: true });
      await writeFile(join(folder, path), text);
    }
    await cp(join(root, "package.json"), join(folder, "package.json"));
    const args = ["-c", join(root, ".dependency-cruiser.mjs"), "-T", "json", "src", "test", "playground"];
    const outcome = await runTool("dependency-cruiser", "depcruise", args, folder);
    const { summary } = JSON.parse(outcome.stdout) as { summary: { violations: { from: string; rule: { name: string } }[] } };
    expect([...new Set(summary.violations.map(({ from, rule }) => `${rule.name}: ${from}`))].sort()).toEqual([
      "every-file-has-a-room: src/attic/homeless.ts",
      "everything-resolves: src/tensor/execution.ts", // the runtime is not there
      "everything-resolves: src/text/door.ts",
      "everything-resolves: src/text/nowhere.ts",
      "mathematics-never-executes: src/diffusion/runs.ts",
      "no-cycles: src/text/back.ts",
      "one-door-to-the-runtime: src/text/door.ts",
      "platform-imports-downwards: src/platform/up.ts",
      "source-stands-alone: src/text/tested.ts",
      "the-page-uses-public-names: playground/deep.ts",
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
