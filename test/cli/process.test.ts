/** The built command line as a process: exit codes, signals, pipes, and what help does not load. Needs `npm run build`. */
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder, writeTinyModel } from "./support.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const bin = join(root, "bin", "sedd.js");
const built = existsSync(join(root, "dist", "cli", "main.js"));

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

const moduleUrl = (source: string): string => `data:text/javascript,${encodeURIComponent(source)}`;

/** @param preload JavaScript that runs before the program */
function start(
  args: string[],
  script = bin,
  preload = "",
): { child: ChildProcess; ended: Promise<Ended>; said: (pattern: RegExp) => Promise<void> } {
  const child = spawn(process.execPath, [...(preload ? ["--import", moduleUrl(preload)] : []), script, ...args], {
    stdio: ["pipe", "pipe", "pipe"],
    cwd: root,
  });
  child.stdin!.end();
  const text = { stdout: "", stderr: "" };
  const waiting: (() => void)[] = [];
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (piece: string) => {
      text[name] += piece;
      for (const check of waiting) check();
    });
  }
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, ...text })));
  const said = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => void ((pattern.test(text.stdout) || pattern.test(text.stderr)) && resolve());
      waiting.push(check);
      check();
      void ended.then(() => reject(new Error(`ended without saying ${pattern}: ${text.stderr}`)));
    });
  return { child, ended, said };
}

async function tinyModel(): Promise<string> {
  const folder = await temporaryFolder();
  await writeTinyModel(folder);
  return folder;
}

/** A run of a few minutes if nobody stops it. */
const long = (model: string): string[] => [
  "sample",
  "--model",
  model,
  "--threads",
  "1",
  "--steps",
  "100000",
  "--length",
  "96",
  "--count",
  "64",
  "--watch",
];

describe("sedd as a process", () => {
  beforeEach(({ skip }) => skip(!built, "dist/ is not built; npm run build"));

  test("help loads neither models nor the libraries for them", async () => {
    const hooks = `export async function load(url, context, next) { process.stderr.write(url + "\\n"); return next(url, context); }`;
    const { code, stderr } = await start(
      ["--help"],
      bin,
      `import { register } from "node:module"; register(${JSON.stringify(moduleUrl(hooks))});`,
    ).ended;
    expect(code).toBe(0);
    expect(stderr).toContain("commander");
    expect(stderr).not.toMatch(/zod|yaml|onnx|tokenizers|protobuf|dist\/(model|tensor|training|network|objectives)/);
  });

  test("0 and text on standard output; the name of the version", async () => {
    expect(await start(["--version"]).ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d/), stderr: "" });
    const { code, stdout } = await start([
      "sample",
      "--model",
      await tinyModel(),
      "--steps",
      "4",
      "--threads",
      "1",
      "--seed",
      "1",
      "--json",
    ]).ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ seed: 1, steps: 4 });
  });

  test("2 and one line for a user's mistake", async () => {
    expect(await start(["sample", "--steps", "0"]).ended).toEqual({
      code: 2,
      signal: null,
      stdout: "",
      stderr: expect.stringMatching(/^sedd: --steps 0: .*\n$/),
    });
  });

  test("130 for Ctrl-C, 143 when asked to end, 129 when the terminal is closed", async () => {
    const model = await tinyModel();
    for (const [signal, expected] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
      ["SIGHUP", 129],
    ] as const) {
      // prettier-ignore
      const { child, ended, said } = start(long(model));
      await said(/step 0\//);
      child.kill(signal);
      expect(await ended).toMatchObject({ code: expected, signal: null, stdout: "" });
    }
  });

  test("the second Ctrl-C kills at once, even while a call blocks the thread", async () => {
    const block = `process.once("SIGINT", () => setImmediate(() => { process.stderr.write("blocked\\n"); for (;;); }));`;
    const { child, ended, said } = start(long(await tinyModel()), bin, block);
    await said(/step 0\//);
    child.kill("SIGINT");
    await said(/blocked/);
    child.kill("SIGINT");
    expect(await ended).toMatchObject({ code: null, signal: "SIGINT" });
  });

  test("a reader that closes the pipe is no error", async () => {
    const { child, ended } = start(["sample", "--help"]);
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
  });

  test("a package that is not built says what to run", async () => {
    const folder = await temporaryFolder();
    await mkdir(join(folder, "bin"));
    await copyFile(bin, join(folder, "bin", "sedd.mjs"));
    const { code, stderr } = await start(["--help"], join(folder, "bin", "sedd.mjs")).ended;
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sedd: not built \(.*\); run npm ci, or npm run build, in the package's folder\n$/);
  });
});
