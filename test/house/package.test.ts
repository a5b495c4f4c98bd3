/**
 * The published package: what is in it, that it resolves for those who install it, and that installing needs nothing but the registry.
 * `npm pack` runs offline and without scripts, so it takes `dist/` as the build before the tests left it.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { printed, root, run, runTool } from "./tools.ts";

interface Manifest {
  readonly name: string;
  readonly dependencies: Record<string, string>;
  readonly devDependencies: Record<string, string>;
}

const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as Manifest;

async function pack(...args: string[]): Promise<{ filename: string; size: number; files: { path: string; size: number }[] }> {
  const outcome = await run("npm", ["pack", "--json", "--ignore-scripts", "--offline", ...args]);
  if (outcome.code !== 0) expect.fail(printed(outcome));
  return (JSON.parse(outcome.stdout) as [Awaited<ReturnType<typeof pack>>])[0];
}

describe("what is published", () => {
  let paths: string[];
  let size: number;
  beforeAll(async () => {
    const packed = await pack("--dry-run");
    paths = packed.files.map(({ path }) => path).sort();
    size = packed.size;
  });

  it("holds the program, the shipped model, the recipes and the papers", () => {
    const wanted = [
      ...["LICENSE", "README.md", "CHANGELOG.md", "package.json", "bin/sedd.js", "recipes/fairytales.yaml", "recipes/tiny.yaml"],
      ...[
        "dist/index.js",
        "dist/index.d.ts",
        "dist/cli/main.js",
        "dist/platform/node.js",
        "dist/platform/browser.js",
        "dist/playground/index.html",
      ],
      ...["config.json", "model.safetensors", "tokenizer.json", "README.md"].map((file) => `models/fairytales/${file}`),
    ];
    expect(
      wanted.filter((path) => !paths.includes(path)),
      "missing from the package",
    ).toEqual([]);
  });

  it("holds nothing else: no corpora, fixtures, tests, benches or sources", () => {
    const known = /^(bin\/|dist\/|models\/[^/]+\/|recipes\/[^/]+\.yaml$|docs\/|(README|CHANGELOG)\.md$|LICENSE$|package\.json$)/;
    expect(paths.filter((path) => !known.test(path))).toEqual([]);
    expect(paths.filter((path) => /(^|\/)\.|\.tsbuildinfo$|(?<!\.d)\.ts$/.test(path))).toEqual([]);
  });

  it("holds no build of a source that is gone", async () => {
    const sources = new Set(
      (await readdir(join(root, "src"), { recursive: true })).map((path) => path.replaceAll("\\", "/").replace(/\.ts$/, "")),
    );
    const built = paths
      .filter((path) => /^dist\/(?!playground\/)/.test(path))
      .map((path) => path.slice("dist/".length).replace(/(\.d\.ts|\.js)$/, ""));
    expect(
      built.filter((path) => !sources.has(path)),
      "left over in dist/; remove dist/ and build again",
    ).toEqual([]);
  });

  it("stays below 40 MB", () => expect(size).toBeLessThan(40e6));
});

it("publint finds nothing", async () => {
  const { messages } = await publint({ pkgDir: root, strict: true });
  const pkg = manifest as unknown as Parameters<typeof formatMessage>[1];
  expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
});

describe("installed from its tarball", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sedd-installed-"));
    const { filename } = await pack("--pack-destination", folder);
    const installed = join(folder, "node_modules", manifest.name);
    await mkdir(installed, { recursive: true });
    const untar = await run("tar", ["-xzf", join(folder, filename), "-C", installed, "--strip-components=1"]);
    expect(untar.code, printed(untar)).toBe(0);
    // In place of the registry: the dependencies of this checkout.
    for (const name of [...Object.keys(manifest.dependencies), "@types/node"]) {
      const link = join(folder, "node_modules", name);
      await mkdir(dirname(link), { recursive: true });
      await symlink(join(root, "node_modules", name), link, "junction");
    }
    await writeFile(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("import(name) resolves and finds the shipped model", async () => {
    const code = `
      const { load, sampleFrom, absorb, uniform, logLinear, geometric } = await import("sedd");
      const all = [load, sampleFrom, absorb, uniform, logLinear, geometric];
      console.log(all.map((value) => typeof value).join(), absorb(5).mask);
      const model = await load("fairytales");
      console.log(model.tokenizer.decode(model.tokenizer.encode("Once upon a time")));
      await model.dispose();`;
    const outcome = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: folder });
    expect(outcome.code, printed(outcome)).toBe(0);
    expect(outcome.stdout).toBe("function,function,function,function,function,function 5\nOnce upon a time\n");
  });

  it("the command runs", async () => {
    const outcome = await run(process.execPath, [join("node_modules", manifest.name, "bin", "sedd.js"), "--version"], { cwd: folder });
    expect(outcome, printed(outcome)).toMatchObject({ code: 0 });
  });

  it.each(["NodeNext", "Bundler"])("types resolve (moduleResolution %s)", async (moduleResolution) => {
    await writeFile(
      join(folder, "use.ts"),
      `import { absorb, load, logLinear, sampleFrom } from "sedd";
       const drawn: Int32Array[] = await sampleFrom((tokens) => new Float64Array(tokens.length * 4), { graph: absorb(3), noise: logLinear(), steps: 2, length: 1 });
       const model = await load("fairytales", { device: "cpu" });
       const texts: string[] = (await model.infill("Once [[3]].", { seed: drawn.length })).map((sample) => sample.text);
       // @ts-expect-error a count is a number: the types are there, and strict
       await model.sample({ count: "two" });
       console.log(texts);`,
    );
    const module = moduleResolution === "NodeNext" ? "NodeNext" : "ESNext";
    const options = [
      "--strict",
      "--noEmit",
      "--target",
      "ES2023",
      "--types",
      "node",
      "--module",
      module,
      "--moduleResolution",
      moduleResolution,
    ];
    const outcome = await runTool("typescript", "tsc", [...options, "--ignoreConfig", join(folder, "use.ts")]);
    if (outcome.code !== 0) expect.fail(printed(outcome));
  });
});

describe("npm ci needs nothing but the registry", () => {
  interface Lock {
    readonly packages: Record<string, { resolved?: string; hasInstallScript?: boolean; link?: boolean }>;
  }
  let lock: Lock;
  beforeAll(async () => void (lock = JSON.parse(await readFile(join(root, "package-lock.json"), "utf8")) as Lock));

  it("the lock file names no registry", () => {
    const addresses = Object.values(lock.packages).flatMap(({ resolved }) => resolved ?? []);
    expect(addresses).toEqual([]);
  });

  it("no dependency's install script is wanted (older npm: .npmrc tells onnxruntime-node to skip)", async () => {
    const withScript = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript);
    const { allowScripts } = JSON.parse(await readFile(join(root, "package.json"), "utf8")) as { allowScripts: Record<string, boolean> };
    const names = withScript.map(([path]) => path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)).filter(Boolean);
    expect(allowScripts).toEqual(Object.fromEntries(names.map((name) => [name, false])));
    expect(await readFile(join(root, ".npmrc"), "utf8")).toMatch(/^onnxruntime-node-install=skip$/m);
  });
});
