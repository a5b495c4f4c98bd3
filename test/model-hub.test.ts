/** Models by the id of a hub, from `load` on; what happens on the way there is tested with formats/hub-download. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../src/formats/safetensors.ts";
import { findModel, load } from "../src/model.ts";
import { UserError } from "../src/platform/errors.ts";
import type { Progress } from "../src/platform/types.ts";
import { fixturePath, golden } from "./support/fixtures.ts";
import { startHub, type TestHub } from "./support/hub-server.ts";
import { charactersWithEnd, publishedFolder } from "./support/published-folder.ts";

const ID = "louaaron/sedd-small";
const official = fixturePath("sedd-absorb");
const options = { threads: 1 } as const;

/** A hub with the files of a folder under an id. */
const hubOf = (folder: string, names: readonly string[] = readdirSync(folder), id = ID): Promise<TestHub> =>
  startHub(Object.fromEntries(names.map((name) => [`${id}/${name}`, readFileSync(join(folder, name))])));

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sedd-model-hub-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const refusal = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "no error",
    (error: unknown) => {
      expect(error).toBeInstanceOf(UserError);
      return (error as UserError).message;
    },
  );

async function scoresOf(name: string): Promise<Float32Array> {
  const io = golden("sedd-absorb/io.safetensors");
  const model = await load(name, options);
  try {
    expect(model.name).toBe(name);
    return await model.logScore(io.int32("x"), io.float64("sigma"));
  } finally {
    await model.dispose();
  }
}

describe("an official model by its id", () => {
  test("computes what its folder does, once more without the hub, and has no tokenizer", async () => {
    const hub = await hubOf(official, ["config.json", "model.safetensors"]);
    const expected = await scoresOf(official);
    expect(await scoresOf(ID)).toEqual(expected);
    vi.stubEnv("HF_ENDPOINT", "http://127.0.0.1:9");
    const asked = hub.asked.length;
    expect(await scoresOf(ID)).toEqual(expected);
    expect(hub.asked).toHaveLength(asked);
    const model = await load(ID, options);
    expect(() => model.tokenizer).toThrow(/^model louaaron\/sedd-small: has no tokenizer\.json, so it takes and gives token ids only/);
    await model.dispose();
  });

  test("in parts", async () => {
    const folder = temporaryFolder();
    const stored = await readSafetensors(join(official, "model.safetensors"));
    const tensors = Array.from(stored.entries, ([name, { shape }]): TensorToWrite => ({
      name,
      shape,
      dtype: "F32",
      data: stored.tensor(name),
    }));
    const parts = { "model-1.safetensors": tensors.slice(0, 9), "model-2.safetensors": tensors.slice(9) };
    for (const [file, own] of Object.entries(parts)) await writeSafetensors(join(folder, file), own);
    const map = Object.entries(parts).flatMap(([file, own]) => own.map(({ name }) => [name, file]));
    writeFileSync(join(folder, "model.safetensors.index.json"), JSON.stringify({ weight_map: Object.fromEntries(map) }));
    cpSync(join(official, "config.json"), join(folder, "config.json"));
    await hubOf(folder);
    expect(await scoresOf(ID)).toEqual(await scoresOf(official));
  });

  test("progress and signal of load are those of the download", async () => {
    const hub = await hubOf(official, ["config.json", "pytorch_model.bin"]);
    const reports: Progress[] = [];
    await (await load(ID, { ...options, onProgress: (progress) => reports.push(progress) })).dispose();
    expect(new Set(reports.map(({ file }) => file))).toEqual(new Set(["config.json", "pytorch_model.bin"]));
    rmSync(hub.cache, { recursive: true });
    const controller = new AbortController();
    const reason = new Error("enough");
    const aborted = load(ID, { ...options, signal: controller.signal, onProgress: () => controller.abort(reason) });
    await expect(aborted).rejects.toBe(reason);
  });

  test("a model of another kind is refused before its weights come; GPT-2 is one of those that load", async () => {
    const other = await startHub({
      "meta/other": "",
      "meta/llama/config.json": '{"model_type":"llama"}',
      "meta/llama/model.safetensors": "x",
    });
    expect(await refusal(load("meta/llama", options))).toBe(
      'model meta/llama: config.json: model_type: "llama" is not supported; "gpt2" or "bert" is',
    );
    expect(other.answers).toEqual(["config.json 200"]);
    await startHub({ "a/b/config.json": '{"tokens":0}', "a/b/model.safetensors": "x" });
    expect(await refusal(load("a/b", options))).toMatch(/^model a\/b: config\.json: tokens: .*expected the configuration of a SEDD model$/);
    await hubOf(await publishedFolder("gpt2", charactersWithEnd(3)), undefined, "openai/gpt2");
    const model = await load("openai/gpt2", options);
    expect(model.tokenizer.size).toBe(60);
    await model.dispose();
  });
});

describe("what never goes to the hub", () => {
  test("names of one word, paths, and ids with odd characters", async () => {
    const hub = await hubOf(official, ["config.json", "model.safetensors"]);
    for (const name of ["gpt2", "./louaaron/sedd-small", "/louaaron/sedd-small", "a/b/c"])
      expect(await refusal(findModel(name))).toMatch(/no such folder and no shipped model; shipped: [\w, ]+$/);
    for (const name of ["../sedd-small", "louaaron/..", "louaaron/sedd small", "louaaron/sedd?x", "lou--aaron/x"])
      expect(await refusal(findModel(name))).toMatch(/shipped: .*; nor is it an id of the hub \(owner\/name, of letters, digits/);
    expect(hub.asked).toEqual([]);
  });

  test("a folder of that name, whatever is in it", async () => {
    const hub = await hubOf(official, ["config.json", "model.safetensors"]);
    const before = process.cwd();
    process.chdir(temporaryFolder());
    onTestFinished(() => process.chdir(before));
    mkdirSync(ID, { recursive: true });
    expect(await refusal(findModel(ID))).toMatch(/^model louaaron\/sedd-small: the folder has no config\.json/);
    for (const name of ["config.json", "model.safetensors"]) cpSync(join(official, name), join(ID, name));
    expect(await findModel(ID)).toBe(ID);
    expect(hub.asked).toEqual([]);
  });

  test("a browser, which is told to give an address", async () => {
    const hub = await hubOf(official, ["config.json", "model.safetensors"]);
    vi.resetModules();
    vi.doMock("#platform", async (original) => ({ ...(await original<object>()), inBrowser: true }));
    onTestFinished(() => vi.doUnmock("#platform"));
    const { findModel } = await import("../src/model.ts");
    const error: unknown = await findModel(ID).catch((reason: unknown) => reason);
    expect((error as Error).message).toBe(
      `model ${ID}: there is no ${join(ID, "config.json")}; put the model's files there, or give the address of a folder that has them`,
    );
    expect(hub.asked).toEqual([]);
  });
});
