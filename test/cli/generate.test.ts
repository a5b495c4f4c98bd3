import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { load } from "../../src/model.ts";
import { fixturePath } from "../support/fixtures.ts";
import { cli, inputOf, recorded, screenOf, TALE, temporaryFolder, writeTinyModel } from "./support.ts";

async function tinyModel(): Promise<string> {
  const folder = await temporaryFolder();
  await writeTinyModel(folder);
  return folder;
}

const settings = (model: string, ...more: string[]): string[] => [
  "--model",
  model,
  "--threads",
  "1",
  "--steps",
  "6",
  "--seed",
  "7",
  ...more,
];
const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("sample", () => {
  test("--json prints one Sample a line, the library's own, and nothing else on standard output", async () => {
    const model = await tinyModel();
    const { code, stdout } = await cli(["sample", ...settings(model, "--count", "3", "--json")]);
    expect(code).toBe(0);
    const printed = jsonLines(stdout);
    expect(printed).toHaveLength(3);
    expect(Object.keys(printed[0]!)).toEqual(["text", "tokens", "seed", "steps", "sampler", "model", "milliseconds"]);
    expect(printed[0]).toMatchObject({ seed: 7, steps: 6, sampler: "analytic", model });
    const library = await load(model, { threads: 1 });
    onTestFinished(() => library.dispose());
    const texts = (await library.sample({ count: 3, steps: 6, seed: 7 })).map(({ text }) => text);
    expect(printed.map(({ text }) => text)).toEqual(texts);
  });

  test("text goes to standard output, its seed to standard error; a drawn seed repeats the text", async () => {
    const model = await tinyModel();
    const drawn = await cli(["sample", "--model", model, "--threads", "1", "--steps", "5", "--prompt", "the ", "--length", "9"]);
    expect(drawn.code).toBe(0);
    expect(drawn.stdout).toMatch(/^the [^]{5}\n$/);
    const seed = /^--- seed (\d+), analytic, 5 steps, [\d.]+ s ---\n$/.exec(drawn.stderr)?.[1];
    expect(seed).toBeDefined();
    const again = await cli([
      "sample",
      "--model",
      model,
      "--threads",
      "1",
      "--steps",
      "5",
      "--prompt",
      "the ",
      "--length",
      "9",
      "--seed",
      seed!,
    ]);
    expect(again.stdout).toBe(drawn.stdout);
  });

  test("several texts are told apart on standard error", async () => {
    const { stdout, stderr } = await cli(["sample", ...settings(await tinyModel(), "--count", "2")]);
    expect(stdout.match(/\n/g)!.length).toBeGreaterThanOrEqual(2);
    expect(stderr).toMatch(/^--- seed 7, sample 1 ---\n--- seed 7, sample 2 ---\n--- seed 7, analytic, 6 steps, .* ---\n$/);
  });

  test.each(["euler", "first-hitting"])("--sampler %s reaches the model", async (sampler) => {
    const { stdout } = await cli(["sample", ...settings(await tinyModel(), "--sampler", sampler, "--json")]);
    expect(jsonLines(stdout)[0]).toMatchObject({ sampler });
  });

  test("how draws are made reaches the library and the result; departures are named on standard error", async () => {
    const model = await tinyModel();
    const flags = [
      "--temperature",
      ".5",
      "--top-k",
      "3",
      "--top-p",
      "0.9",
      "--grid",
      "cosine",
      "--corrector",
      "2",
      "--allow",
      "a",
      "--allow",
      "s",
    ];
    const all = settings(model, ...flags, "--forbid", "t");
    expect(jsonLines((await cli(["sample", ...all, "--json"])).stdout)[0]).toMatchObject({
      text: expect.stringMatching(/^[as]{12}$/),
      departures: { temperature: 0.5, topK: 3, topP: 0.9 },
      grid: "cosine",
      corrector: { positions: 2 },
      constraints: [{ allow: ["a", "s"], forbid: ["t"] }],
    });
    expect((await cli(["sample", ...all])).stderr).toMatch(
      /^--- seed 7, analytic, 6 steps, temperature 0\.5, topK 3, topP 0\.9, [\d.]+ s ---\n$/,
    );
  });

  test.each([
    ["--temperature", "0", "--temperature 0: expected a number above 0, for example --temperature 0.8"],
    ["--temperature", "-1", "--temperature -1: expected"],
    ["--temperature", "warm", "--temperature warm: expected"],
    ["--top-p", "1.5", "--top-p 1.5: expected a number above 0 and at most 1, for example --top-p 0.9"],
    ["--top-k", "0", "--top-k 0: expected a whole number from 1"],
    ["--corrector", "0", "--corrector 0: expected a whole number from 1"],
    ["--grid", "even", "Allowed choices are linear, cosine, log-sigma, share"],
    ["--allow", "aa", 'constraint 1: "aa" is 2 tokens'],
  ])("%s %s ends with 2 and one line", async (flag, value, message) => {
    const { code, stderr } = await cli(["sample", ...settings(await tinyModel(), flag, value)]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sedd: .*\n$/);
    expect(stderr).toContain(message);
  });

  test("a prompt that the tokenizer cannot spell is the user's mistake", async () => {
    const { code, stderr } = await cli(["sample", ...settings(await tinyModel(), "--prompt", "Ω")]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^sedd: .*\n$/);
  });

  test("a folder without tokenizer.json, and one with damaged weights, end with 2 and one line", async () => {
    const model = await tinyModel();
    await rm(join(model, "tokenizer.json"));
    expect(await cli(["sample", "--model", model])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: .*tokenizer\.json.*\n$/),
    });
    await rm(join(model, "model.safetensors"));
    expect(await cli(["sample", "--model", model])).toMatchObject({ code: 2, stderr: expect.stringMatching(/^sedd: .*no weights.*\n$/) });
  });

  test("an aborted signal ends with 130 and prints no text", async () => {
    const controller = new AbortController();
    const running = cli(["sample", ...settings(await tinyModel(), "--steps", "100000")], { signal: controller.signal });
    setTimeout(() => controller.abort(), 300);
    expect(await running).toEqual({ code: 130, stdout: "", stderr: "" });
  });
});

describe("infill", () => {
  const template = "the king [[4]] the fox [[2]].";

  test("what is given comes back unchanged", async () => {
    const { code, stdout } = await cli(["infill", template, ...settings(await tinyModel())]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^the king [^]{4} the fox [^]{2}\.\n$/);
  });

  test.each([[["-"]], [[]]])("reads the template from standard input: %j", async (argument) => {
    const model = await tinyModel();
    const bytes = new TextEncoder().encode(`${template}\n`);
    const piped = await cli(["infill", ...argument, ...settings(model)], { stdin: inputOf(bytes.subarray(0, 5), bytes.subarray(5)) });
    expect(piped.stdout).toBe((await cli(["infill", template, ...settings(model)])).stdout);
  });

  test("no template, nothing piped", async () => {
    const stdin = { ...inputOf(), isTTY: true };
    expect(await cli(["infill"], { stdin })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: template: none given; .*\n$/),
    });
  });

  test("standard input that is not UTF-8", async () => {
    const stdin = inputOf(Uint8Array.of(0x61, 0xff));
    expect(await cli(["infill", "-"], { stdin })).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^sedd: standard input: not UTF-8; .*\n$/),
    });
  });

  test.each(["a [[3", "a [[x]]", "a [[0]]", "a [[10000]]", ""])("a wrong template ends with 2 and one line: %j", async (wrong) => {
    const { code, stdout, stderr } = await cli(["infill", wrong, ...settings(await tinyModel())]);
    expect(stderr).toMatch(/^sedd: .*\n$/);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  });

  test("Ctrl-C while standard input is awaited", async () => {
    const controller = new AbortController();
    const stdin = { async *[Symbol.asyncIterator]() { yield await new Promise<string>(() => undefined); } }; // prettier-ignore
    const running = cli(["infill", "-"], { stdin, signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    expect((await running).code).toBe(130);
  });
});

describe("--watch", () => {
  test("on a terminal only the text is left", async () => {
    const model = await tinyModel();
    const stdout = recorded({ columns: 60 });
    const { code } = await cli(["infill", "the king [[4]] the fox", ...settings(model, "--watch")], { stdout });
    const plain = await cli(["infill", "the king [[4]] the fox", ...settings(model)]);
    expect(code).toBe(0);
    expect(screenOf(stdout.text, 60)).toMatchObject({ lines: plain.stdout.split("\n"), cursorHidden: false, styled: true });
    expect(stdout.text).toContain("▁");
  });

  test("NO_COLOR is respected", async () => {
    const stdout = recorded({});
    await cli(["sample", ...settings(await tinyModel(), "--watch")], { stdout, env: { NO_COLOR: "1" } });
    expect(screenOf(stdout.text, 80).styled).toBe(false);
  });

  test("without a terminal: steps on standard error, the text alone on standard output", async () => {
    const model = await tinyModel();
    const { stdout, stderr } = await cli(["sample", ...settings(model, "--watch", "--count", "2", "--json")]);
    expect(jsonLines(stdout)).toHaveLength(2);
    expect(stderr.split("\n")[0]).toMatch(/^sample 1 of 2 {2}step 0\/6 .* 0 of 12 tokens: ▁{12}$/);
  });

  test("Ctrl-C gives the cursor back", async () => {
    const controller = new AbortController();
    const stdout = recorded({});
    const write = stdout.write.bind(stdout);
    stdout.write = (text) => {
      write(text);
      if (text.includes("step ")) controller.abort();
    };
    const args = settings(await tinyModel(), "--watch", "--steps", "50000", "--length", "16");
    const { code } = await cli(["sample", ...args], { stdout, signal: controller.signal });
    expect({ code, hidden: screenOf(stdout.text, 80).cursorHidden }).toEqual({ code: 130, hidden: false });
  });
});

test("on a terminal, standard error counts the steps and clears its line", async () => {
  const stderr = recorded({});
  await cli(["sample", ...settings(await tinyModel())], { stderr });
  expect(stderr.text).toContain("step 3/6");
  expect(screenOf(stderr.text, 80).lines).toEqual([expect.stringMatching(/^--- seed 7/), ""]);
});

test("a model without a tokenizer: --json tells its tokens, --record keeps them; a text to print or to show is refused before anything is drawn", async () => {
  const args = ["--model", fixturePath("sedd-absorb"), "--threads", "1", "--steps", "2", "--seed", "7"];
  const file = join(await temporaryFolder(), "run.jsonl");
  const { code, stdout, stderr } = await cli(["sample", ...args, "--length", "5", "--json", "--record", file]);
  expect(code, stderr).toBe(0);
  const [sample] = jsonLines(stdout);
  expect(sample).toMatchObject({ text: "" });
  expect(sample!["tokens"]).toHaveLength(5);
  expect(await cli(["replay", file, "--verify"])).toMatchObject({ code: 0, stderr: expect.stringContaining("bit for bit") });
  for (const more of [[], ["--watch"], ["--record", file], ["--json", "--prompt", "a"]]) {
    const refused = await cli(["sample", ...args, ...more]);
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toMatch(/^sedd: model .*sedd-absorb: has no tokenizer\.json, so it takes and gives token ids only .*\n$/);
  }
});

describe("eval", () => {
  test("--json prints the likelihood with the name of the data; the table has every term", async () => {
    const model = await tinyModel();
    const data = join(model, "corpus.txt");
    const args = ["eval", "--model", model, "--threads", "1", "--data", data, "--samples", "2"];
    const { code, stdout, stderr } = await cli([...args, "--json"]);
    expect(code).toBe(0);
    const [printed] = jsonLines(stdout);
    const library = await load(model, { threads: 1 });
    onTestFinished(() => library.dispose());
    const { model: name, ...likelihood } = await library.likelihood(await readFile(data, "utf8"), { samples: 2 });
    expect(printed).toEqual({ model: name, data, ...likelihood });
    expect(Object.keys(printed!)).toEqual([
      "model",
      "data",
      "tokenCount",
      "characters",
      "bytes",
      "natsPerToken",
      "standardError",
      "bitsPerCharacter",
      "bitsPerByte",
      "perplexity",
      "estimates",
      "protocol",
    ]);
    expect(printed!["characters"]).toBe(20 * TALE.length);
    expect(stderr).toMatch(/ 100 %\n$/);
    const table = (await cli(args)).stdout;
    for (const term of Object.keys(likelihood.protocol.terms)) expect(table).toContain(`\n  ${term} `);
    expect(table).toContain(likelihood.bitsPerCharacter.toFixed(4));
  });

  test("an empty file", async () => {
    const folder = await temporaryFolder();
    await writeFile(join(folder, "empty.txt"), "");
    expect(await cli(["eval", "--data", join(folder, "empty.txt")])).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/the file is empty; expected a text\n$/),
    });
  });
});
