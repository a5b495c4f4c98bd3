/** --record and replay: what a run wrote is shown again, and proved by writing it again: in another process, with other threads. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { parseTrajectory } from "../../src/diffusion/trajectory-file.ts";
import { replayTrajectory } from "../../src/diffusion/trajectory.ts";
import { cli, recorded, screenOf, temporaryFolder, writeTinyModel } from "./support.ts";

const bin = fileURLToPath(new URL("../../bin/sedd.js", import.meta.url));
const built = existsSync(fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url)));

const tinyRun = (...more: string[]) => runOf("absorb", ...more);

async function runOf(graph: "absorb" | "uniform", ...more: string[]): Promise<{ model: string; file: string; stdout: string }> {
  const model = await temporaryFolder();
  await writeTinyModel(model, 12, graph);
  const file = join(model, "run.jsonl");
  const [verb = "sample", ...rest] = more;
  const args = [verb, ...rest, "--model", model, "--threads", "1", "--steps", "6", "--seed", "7", "--record", file];
  const { code, stdout, stderr } = await cli(args);
  expect(code, stderr).toBe(0);
  return { model, file, stdout };
}

describe("--record", () => {
  test("writes the run; its last frames are the samples that --json prints", async () => {
    const { file, stdout } = await tinyRun("sample", "--count", "3", "--json");
    const samples = stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as { text: string; tokens: number[] }); // prettier-ignore
    const trajectory = parseTrajectory(await readFile(file, "utf8"), file);
    expect(trajectory.texts).toEqual(samples.map(({ text }) => text));
    samples.forEach(({ tokens }, i) => expect([...replayTrajectory(trajectory, i)].at(-1)!.tokens).toEqual(tokens));
    expect(trajectory.run).toMatchObject({ verb: "sample", options: { seed: 7, steps: 6, count: 3 } });
    // Every position of an absorbing run is written once.
    expect(trajectory.changes).toHaveLength(3 * 12);
    expect(new Set(trajectory.changes.map(({ sequence, position }) => `${sequence} ${position}`)).size).toBe(36);
  });

  test("does not change what is written", async () => {
    const { model, stdout } = await tinyRun("sample", "--prompt", "the ");
    const plain = await cli(["sample", "--prompt", "the ", "--model", model, "--threads", "1", "--steps", "6", "--seed", "7"]);
    expect(stdout).toBe(plain.stdout);
  });

  test("a folder that is not there is refused before anything runs", async () => {
    expect(await cli(["sample", "--record", "no/such/run.jsonl"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "sedd: --record no/such/run.jsonl: there is no folder no/such; make it first, or name another place\n",
    });
  });
});

describe("replay", () => {
  test("prints the text again, and what was run", async () => {
    const { model, file, stdout } = await tinyRun("infill", "the king [[4]] the fox [[2]].");
    expect(await cli(["replay", file])).toEqual({ code: 0, stdout, stderr: `--- infill of ${model}, seed 7, 6 steps, 6 changes ---\n` });
  });

  test("--watch shows the frames that the run showed", async () => {
    const { file, stdout } = await tinyRun("sample");
    const output = recorded({ columns: 60 });
    expect((await cli(["replay", file, "--watch"], { stdout: output })).code).toBe(0);
    expect(screenOf(output.text, 60)).toMatchObject({ lines: stdout.split("\n"), cursorHidden: false });
    expect(output.text).toContain("▁");
  });

  test.each<["absorb" | "uniform", ...string[]]>([
    ["absorb", "sample", "--count", "2"],
    ["absorb", "sample", "--sampler", "first-hitting", "--prompt", "a"],
    ["absorb", "infill", "[[3]] king [[4]]"],
    ["absorb", "infill", "the [[2-4]] king"],
    ["absorb", "sample", "--corrector", "2", "--grid", "cosine", "--temperature", "0.8", "--top-k", "9", "--forbid", "e", "--forbid", "a"],
    ["uniform", "sample", "--count", "2"],
    ["uniform", "infill", "[[3]] king [[4]]", "--sampler", "euler", "--corrector", "1", "--allow", "a", "--allow", "e"],
  ])("--verify writes it again, bit for bit: %s %s %s %s", async (graph, ...args) => {
    const { file, stdout } = await runOf(graph, ...args);
    const proved = await cli(["replay", file, "--verify", "--threads", "2"]);
    expect(proved).toMatchObject({ code: 0, stdout, stderr: expect.stringMatching(/^sedd: verified: \d+ changes and \d texts? come out/) });
  });

  test("--verify of another model names the first line that comes out otherwise", async () => {
    const { file } = await tinyRun("sample");
    const other = await temporaryFolder();
    await writeTinyModel(other, 13);
    expect(await cli(["replay", file, "--verify", "--model", other])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: .*run\.jsonl:\d+: recorded \{.*\}, the run gives \{.*\}\n$/),
    });
  });

  test.each<[string, (lines: string[]) => string[], RegExp]>([
    ["cut off", (lines) => lines.slice(0, 5), /run\.jsonl:6: the file ends here, before a change: it was cut off\n$/],
    ["altered", (lines) => lines.with(3, lines[3]!.replace(/"token":\d+/, '"token":1')), /run\.jsonl:4: was altered, .*\n$/],
    ["of another kind", () => ["{}"], /run\.jsonl:1: is not the header of a recorded run .*\n$/],
  ])("a file that was %s", async (_name, damage, message) => {
    const { file } = await tinyRun("sample");
    await writeFile(file, damage((await readFile(file, "utf8")).split("\n")).join("\n"));
    const { code, stdout, stderr } = await cli(["replay", file, "--verify"]);
    expect({ code, stdout, lines: stderr.split("\n").length }).toEqual({ code: 2, stdout: "", lines: 2 });
    expect(stderr).toMatch(message);
  });

  test("a file that is not there", async () => {
    expect(await cli(["replay", "none.jsonl"])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: cannot read none\.jsonl.*\n$/),
    });
  });
});

describe("the shipped model", () => {
  const settings = ["infill", "Once upon a time [[24]] the end.", "--steps", "12", "--seed", "11", "--json"];

  test("one seed, one text and the same probabilities to the last bit: one thread, two threads", async () => {
    const file = join(await temporaryFolder(), "run.jsonl");
    const one = await cli([...settings, "--threads", "1", "--record", file]);
    expect(one.code, one.stderr).toBe(0);
    const proved = await cli(["replay", file, "--verify", "--threads", "2"]);
    expect(proved, proved.stderr).toMatchObject({ code: 0, stderr: expect.stringContaining("verified: 24 changes and 1 text") });
  });

  test("the same text from another process", async ({ skip }) => {
    skip(!built, "dist/ is not built; npm run build");
    const { stdout: here } = await cli([...settings, "--threads", "1"]);
    for (const threads of ["1", "2"]) {
      const { stdout } = await promisify(execFile)(process.execPath, [bin, ...settings, "--threads", threads]);
      expect((JSON.parse(stdout) as { text: string }).text).toBe((JSON.parse(here) as { text: string }).text);
    }
  });
});
