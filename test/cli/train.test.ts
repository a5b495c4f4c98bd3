import { existsSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { cli, hasPipes, pipeIn, recorded, TALE, temporaryFolder, writeTinyModel } from "./support.ts";

async function recipeIn(folder: string): Promise<string> {
  const corpus = join(folder, "tale.txt");
  await writeFile(corpus, TALE.repeat(30));
  const path = join(folder, "tiny.yaml");
  await writeFile(
    path,
    `name: tiny
data: { train: [${JSON.stringify(corpus)}], valid: [${JSON.stringify(corpus)}] }
tokenizer: { kind: character }
network: { hidden: 8, layers: 1, heads: 2, conditioning: 4 }
windows: [{ length: 12 }]
batch: { tokens: 48 }
schedule: { steps: 6, warmup: 2 }
validation: { every: 3, windows: 16 }
samples: { every: 3, steps: 4 }
checkpoint: { every: 3 }
threads: 1
`,
  );
  return path;
}

describe("train", () => {
  test("trains into a folder that samples; --resume goes on; a second run into it is refused", async () => {
    const folder = await temporaryFolder();
    const recipe = await recipeIn(folder);
    const out = join(folder, "run");
    const { code, stdout, stderr } = await cli(["train", recipe, "--out", out]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
    expect(stderr).toMatch(/^step 1\/6 {2}loss [\d.]+\n/);
    expect(stderr).toMatch(/step 3\/6 {2}validation bound [\d.]+ ± [\d.]+ nats a token\n/);
    expect(stderr).toContain("--- step 3, sample of seed 0 ---\n");
    expect(stderr.endsWith(`sedd: step 6 of 6 done; the model is in ${out}: sedd sample --model ${out}\n`)).toBe(true);
    expect((await cli(["sample", "--model", out, "--steps", "4", "--threads", "1", "--json", "--weights", "raw"])).code).toBe(0);

    expect(await cli(["train", recipe, "--out", out])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: --out .*--resume.*\n$/),
    });
    const nothing = await cli(["train", recipe, "--out", out, "--resume"]);
    expect(nothing).toMatchObject({ code: 0, stderr: expect.stringContaining("nothing to do: the run") });
    expect(await cli(["train", recipe, "--out", out, "--resume", "--from", "fairytales"])).toMatchObject({
      code: 2,
      stderr: "sedd: --from fairytales: --resume goes on with the run's own weights; leave one of them out\n",
    });
    const more = await cli(["train", recipe, "--out", out, "--resume", "--set", "schedule.steps=8"]);
    expect(more).toMatchObject({ code: 0, stderr: expect.stringContaining("step 8 of 8 done") });
  });

  test("a recipe after --set is the recipe; one that its own run would replace is refused", async () => {
    const folder = await temporaryFolder();
    const recipe = await recipeIn(folder);
    const out = join(folder, "run");
    expect(await cli(["train", "--out", out, "--set", "schedule.steps=1", recipe])).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("step 1 of 1 done"),
    });
    expect(await cli(["train", "--set", "schedule.steps=1"])).toEqual({
      ...{ code: 2, stdout: "" },
      stderr: "sedd: missing required argument 'recipe'; see sedd train --help\n",
    });
    const own = join(folder, "recipe.yaml");
    const text = `# mine\n${await readFile(recipe, "utf8")}`;
    await writeFile(own, text);
    expect(await cli(["train", own, "--out", folder])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/the run's own recipe\.yaml would replace .*recipe\.yaml; give another folder\n$/),
    });
    expect(await readFile(own, "utf8")).toBe(text);
  });

  test("--from begins with the weights and the tokenizer of a model", async () => {
    const folder = await temporaryFolder();
    await writeTinyModel(folder);
    const recipe = await recipeIn(folder);
    const out = join(folder, "run");
    const args = ["train", recipe, "--out", out, "--from", folder, "--set", "schedule.steps=1", "tokenizer.kind=bpe", "tokenizer.size=300"];
    expect(await cli(args)).toMatchObject({ code: 0 });
    const tokenizer = async (at: string): Promise<unknown> => JSON.parse(await readFile(join(at, "tokenizer.json"), "utf8"));
    expect(await tokenizer(out)).toEqual(await tokenizer(folder));
    const wrong = await cli(["train", recipe, "--out", join(folder, "other"), "--from", folder, "--set", "network.hidden=16"]);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringMatching(/^sedd: --from: .*\n$/) });
  });

  test("Ctrl-C saves and ends with 130, and --resume goes on from there", async () => {
    const folder = await temporaryFolder();
    const recipe = await recipeIn(folder);
    const out = join(folder, "run");
    const controller = new AbortController();
    const stderr = recorded();
    const write = stderr.write.bind(stderr);
    stderr.write = (text) => {
      write(text);
      if (text.startsWith("step 2/")) controller.abort();
    };
    const stopped = await cli(["train", recipe, "--out", out], { stderr, signal: controller.signal });
    expect(stopped.code).toBe(130);
    expect(stderr.text).toMatch(
      /sedd: stopping and saving; Ctrl-C again stops at once, without saving\nsedd: stopped and saved at step 2 of 6; go on with --resume\n$/,
    );
    expect(await cli(["train", recipe, "--out", out, "--resume"])).toMatchObject({ code: 0, stderr: expect.stringMatching(/^step 3\/6/) });
  });

  test.each<[string[], RegExp]>([
    [["--set", "scheduel.steps=1"], /^sedd: .*scheduel.*unknown key.*\n$/],
    [["--set", "schedule.steps=none"], /^sedd: .*schedule\.steps.*\n$/],
    [["--set", "schedule.steps"], /^sedd: --set schedule\.steps: expected key=value, .*\n$/],
    [["--resume"], /^sedd: .*no checkpoint\.safetensors to resume from.*\n$/],
    [["--from", "./nowhere/at-all"], /^sedd: model \.\/nowhere\/at-all: .*\n$/],
    [["--out", ""], /^sedd: --out "": empty; .*\n$/],
  ])("%j is the user's mistake", async (more, line) => {
    const folder = await temporaryFolder();
    const { code, stderr } = await cli(["train", await recipeIn(folder), "--out", join(folder, "run"), ...more]);
    expect(stderr).toMatch(line);
    expect(code).toBe(2);
  });
});

// A pipe's size is 0, so that it would be left out in silence.
test("a pipe is no training text: one line", async ({ skip }) => {
  skip(!hasPipes, "Windows has no named pipes in folders");
  const folder = await temporaryFolder();
  const recipe = await recipeIn(folder);
  const pipe = pipeIn(folder);
  const line = `sedd: cannot read ${pipe}: it is a pipe or a device, and is read more than once; write it to a file first\n`;
  const tale = join(folder, "tale.txt");
  const out = join(folder, "out");
  const tokenizer = ["tokenizer", "train", "--data", tale, pipe, "--size", "300", "--out", out];
  expect(await cli(tokenizer)).toEqual({ code: 2, stdout: "", stderr: line });
  expect(existsSync(out)).toBe(false);
  for (const key of ["train", "valid"])
    expect(await cli(["train", recipe, "--out", out, "--set", `data.${key}=${JSON.stringify([tale, pipe])}`])).toEqual({
      code: 2,
      stdout: "",
      stderr: line,
    });
  expect(existsSync(join(out, "tokenizer.json"))).toBe(false);
});

describe("tokenizer train", () => {
  test("writes a tokenizer.json and says what it holds", async () => {
    const folder = await temporaryFolder();
    const [data, out] = [join(folder, "tale.txt"), join(folder, "tokenizer.json")];
    await writeFile(data, TALE.repeat(5));
    const train = (...more: string[]) => cli(["tokenizer", "train", "--data", data, "--out", out, ...more]);
    expect(await train("--size", "262", "--special", "<|endoftext|>")).toEqual({
      code: 0,
      stdout: "",
      stderr: `sedd: ${out}: 262 tokens, bpe\n`,
    });
    const { loadTokenizer } = await import("../../src/text/tokenizer.ts");
    const tokenizer = await loadTokenizer(out);
    expect([tokenizer.kind, tokenizer.size, tokenizer.endOfText]).toEqual(["bpe", 262, 261]);
    expect((await train("--size", "5000")).stderr).toMatch(/tokens, bpe \(the text gives no more than that of the 5000 asked for\)\n$/);
    expect((await train("--kind", "character")).code).toBe(0);
    expect((await loadTokenizer(out)).size).toBe(new Set(TALE).size);
  });

  test.each([
    ["an empty corpus", ""],
    ["invalid UTF-8", Uint8Array.of(0x61, 0xff)],
  ])("%s is the user's mistake", async (_, content) => {
    const folder = await temporaryFolder();
    const data = join(folder, "text.txt");
    await writeFile(data, content);
    const { code, stderr } = await cli(["tokenizer", "train", "--data", data, "--size", "300", "--out", join(folder, "t.json")]);
    expect(stderr).toMatch(/^sedd: .*text\.txt.*\n$/);
    expect(code).toBe(2);
  });
});
