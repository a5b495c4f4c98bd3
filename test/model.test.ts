/** Model folders: which file is read, what is refused, and what is written. The network's own golden numbers are tested with the network. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { halfValues, toHalf } from "../src/formats/half.ts";
import { readSafetensors, writeSafetensors, type TensorToWrite } from "../src/formats/safetensors.ts";
import { findModel, load, readModel, saveModel, shippedModels, type StoredModel } from "../src/model.ts";
import { UserError } from "../src/platform/errors.ts";
import { characterFile, characterTokenizer } from "../src/text/character.ts";
import type { Tokenizer } from "../src/text/tokenizer.ts";
import { fixturePath, golden, goldenJson, relativeError } from "./support/fixtures.ts";

const official = fixturePath("sedd-absorb");
const options = { threads: 1 } as const;

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "sedd-test-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder with some of the official fixture's files. */
function folderWith(...files: string[]): string {
  return folderOf(official, files);
}

function folderOf(fixture: string, files: readonly string[]): string {
  const folder = temporaryFolder();
  for (const file of ["config.json", ...files]) cpSync(join(fixture, file), join(folder, file));
  return folder;
}

/** A character tokenizer of that many tokens. */
const tokenizerOf = (size: number): Tokenizer =>
  characterTokenizer(characterFile(Array.from({ length: size }, (_, i) => String.fromCodePoint(0x61 + i))));

async function expectUserError(promise: Promise<unknown>, message: RegExp): Promise<void> {
  const error: unknown = await promise.then(
    () => "no error",
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as Error).message).toMatch(message);
  expect((error as Error).message).not.toMatch(/\n/);
}

type GoldenTensor = "log_score_f64" | "log_score_ema";
const toleranceOf = (tensor: GoldenTensor, fixture = "sedd-absorb"): number =>
  goldenJson<Record<string, Record<string, { tolerance: number }>>>("tolerances.json")[`${fixture}/io.safetensors`]![
    tensor === "log_score_f64" ? "log_score" : tensor
  ]!.tolerance;

/** Largest difference from golden log-scores, relative to each position's largest. */
async function goldenError(folder: string, tensor: GoldenTensor, weights?: "ema" | "raw", fixture = "sedd-absorb"): Promise<number> {
  const io = golden(`${fixture}/io.safetensors`);
  const model = await load(folder, { ...options, weights });
  try {
    const ours = await model.logScore(io.int32("x"), io.float64("sigma"));
    return relativeError(ours, io.float64(tensor), "last", io.shape(tensor).at(-1)!);
  } finally {
    await model.dispose();
  }
}

describe("a folder as the official code saves it", () => {
  describe.each(["sedd-absorb", "sedd-uniform"])("%s", (fixture) => {
    test.each([
      ["model.safetensors", ["model.safetensors"], undefined, "log_score_f64"],
      ["pytorch_model.bin", ["pytorch_model.bin"], undefined, "log_score_f64"],
      ["checkpoint.pth: the average", ["checkpoint.pth"], undefined, "log_score_ema"],
      ["checkpoint.pth: raw", ["checkpoint.pth"], "raw", "log_score_f64"],
      ["a checkpoint beside pytorch_model.bin: only it has the average", ["pytorch_model.bin", "checkpoint.pth"], "ema", "log_score_ema"],
      ["a published file beside a checkpoint: what its maker chose", ["model.safetensors", "checkpoint.pth"], "ema", "log_score_f64"],
    ] as const)("%s", async (_, files, weights, tensor) => {
      const folder = folderOf(fixturePath(fixture), files);
      expect(await goldenError(folder, tensor, weights, fixture)).toBeLessThan(toleranceOf(tensor, fixture));
    });
  });

  test("the average and the raw weights differ by far more than the tolerance", async () => {
    expect(await goldenError(folderWith("checkpoint.pth"), "log_score_f64")).toBeGreaterThan(1e-3);
  });

  test("has no tokenizer: token-level calls work, text-level ones say why not", async () => {
    const model = await load(official, options);
    expect(model.length).toBe(24);
    expect(model.parameterCount).toBe((await readModel(official)).parameters.length);
    const none = /has no tokenizer\.json, so it takes and gives token ids only/;
    expect(() => model.tokenizer).toThrow(none);
    await expectUserError(model.sample({ prompt: "a" }), none);
    await expectUserError(model.infill("a[[3]]"), none);
    await expectUserError(model.stream({ prompt: "a" }).next(), none);
    await expectUserError(model.likelihood("a"), none);
    await model.dispose();
  });
});

describe("names and options", () => {
  test("no such model: the shipped ones are listed", async () => {
    const shipped = (await shippedModels()).join(", ") || "none";
    const error: unknown = await findModel("no-such-model").catch((thrown: unknown) => thrown);
    expect((error as Error).message).toBe(`model no-such-model: no such folder and no shipped model; shipped: ${shipped}`);
    await expectUserError(load("../package.json", options), /no such folder and no shipped model/);
    await expectUserError(load("", options), /^model "": give the name of a model or a folder/);
  });

  test("a folder without config.json, or without weights", async () => {
    const folder = temporaryFolder();
    await expectUserError(load(folder, options), /the folder has no config\.json; a model folder has config\.json and its weights/);
    cpSync(join(official, "config.json"), join(folder, "config.json"));
    await expectUserError(load(folder, options), /has no weights; one of model\.safetensors, .*checkpoint\.pth would do/);
  });

  test("unknown devices, types, weights and thread counts", async () => {
    const tryLoad = (bad: object) => load(official, { ...options, ...bad });
    await expectUserError(tryLoad({ device: "tpu" }), /^device tpu: not known; "cpu", "wasm" and "webgpu" are/);
    await expectUserError(tryLoad({ device: "webgpu" }), /^device webgpu: only browsers have it; "cpu" or "wasm" would do$/);
    await expectUserError(tryLoad({ dtype: "fp8" }), /^dtype fp8: not known/);
    await expectUserError(tryLoad({ weights: "best" }), /^weights best: not known; "ema" and "raw" are/);
    for (const threads of [0, -1, 1.5, NaN])
      await expectUserError(tryLoad({ threads }), /^threads .*: must be a whole number of at least 1/);
  });

  test("a signal that has come stops loading", async () => {
    const signal = AbortSignal.abort();
    await expect(load(official, { ...options, signal })).rejects.toBe(signal.reason);
  });
});

describe("weights that are not those of config.json", () => {
  const stored = async (): Promise<TensorToWrite[]> => {
    const file = await readSafetensors(join(official, "model.safetensors"));
    return Array.from(file.entries, ([name, { shape }]) => ({ name, shape, dtype: "F32", data: file.tensor(name) }));
  };
  const written = async (tensors: TensorToWrite[]): Promise<string> => {
    const folder = folderWith();
    await writeSafetensors(join(folder, "model.safetensors"), tensors);
    return folder;
  };

  test("missing and unknown tensors are named, a few of many", async () => {
    const tensors = await stored();
    const without = tensors.filter(({ name }) => name !== "blocks.1.mlp.0.weight");
    await expectUserError(readModel(await written(without)), /not those of its config\.json: missing blocks\.1\.mlp\.0\.weight$/);
    const more = [...tensors, { name: "lm_head.weight", shape: [1], dtype: "F32" as const, data: [0] }];
    await expectUserError(readModel(await written(more)), /unknown lm_head\.weight$/);
    const renamed = tensors.map((tensor) => ({ ...tensor, name: `model.${tensor.name}` }));
    await expectUserError(readModel(await written(renamed)), /missing (\S+, ){4}\S+ and 25 more; unknown (\S+, ){4}\S+ and \d+ more$/);
  });

  test("a wrong shape, also of equally many values", async () => {
    const tensors = await stored();
    const turned = tensors.map((tensor) => (tensor.name === "blocks.0.attn_qkv.weight" ? { ...tensor, shape: [64, 192] } : tensor));
    await expectUserError(
      readModel(await written(turned)),
      /blocks\.0\.attn_qkv\.weight has shape \[64, 192\], its config\.json means \[192, 64\]/,
    );
  });

  test("a value that is no number", async () => {
    const tensors = await stored();
    const data = Float32Array.from(tensors[3]!.data as Float32Array);
    data[1] = NaN;
    tensors[3] = { ...tensors[3]!, data };
    await expectUserError(readModel(await written(tensors)), new RegExp(`${tensors[3].name} holds NaN; the weights are damaged`));
  });

  test("a file cut in half is named, whatever its format", async () => {
    for (const file of ["model.safetensors", "pytorch_model.bin", "checkpoint.pth"]) {
      const folder = folderWith(file);
      truncateSync(join(folder, file), readFileSync(join(folder, file)).length / 2);
      await expectUserError(readModel(folder), new RegExp(file.replace(".", "\\.")));
    }
  });

  test.each([
    [{ tokens: 60 }, /vocab_embed\.embedding has shape \[51, 64\], its config\.json means \[61, 64\]/],
    [{ model: { n_heads: 5 } }, /config\.json: model\.hidden_size: 64 must be a multiple of twice model\.n_heads \(5\)/],
    [{ model: { hidden_size: "64" } }, /config\.json: model\.hidden_size: .*expected the configuration of a SEDD model/],
    [{ model: { hidden_size: 2 ** 40 } }, /vocab_embed\.embedding has shape/],
    [{ noise: { type: "cosine" } }, /config\.json: noise\.type: /],
    [{ noise: { type: "geometric", sigma_min: 5, sigma_max: 2 } }, /config\.json: noise: .*0 < sigmaMin < sigmaMax/],
    [{ noise: { type: "loglinear", eps: 2 } }, /config\.json: noise: .*eps must lie between 0 and 1/],
  ])("a configuration that does not fit: %j", async (changes, message) => {
    const folder = folderWith("model.safetensors");
    const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as Record<string, object>;
    for (const [key, value] of Object.entries(changes))
      config[key] = (typeof value === "object" ? { ...config[key], ...value } : value) as object;
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    await expectUserError(load(folder, options), message);
  });

  test("no JSON, no object", async () => {
    const folder = folderWith("model.safetensors");
    for (const content of ["{", "[]", ""]) {
      writeFileSync(join(folder, "config.json"), content);
      await expectUserError(load(folder, options), /config\.json/);
    }
  });

  test("a tokenizer of another size, or a broken one", async () => {
    const folder = folderWith("model.safetensors");
    writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizerOf(49).toJSON()));
    await expectUserError(load(folder, options), /its tokenizer has 49 tokens, its network 50; they are not of one model/);
    writeFileSync(join(folder, "tokenizer.json"), "{");
    await expectUserError(load(folder, options), /tokenizer\.json: not JSON/);
  });
});

describe("saveModel", () => {
  const original = async (): Promise<StoredModel> => ({ ...(await readModel(official)), tokenizer: tokenizerOf(50) });

  test("F32: everything comes back, weights bit for bit, and the model computes the same", async () => {
    const folder = join(temporaryFolder(), "new", "model");
    const model = await original();
    await saveModel(folder, { ...model, dtype: "F32" });
    expect(readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    const back = await readModel(folder);
    expect(back.config).toEqual(model.config);
    expect(back.parameters).toEqual(model.parameters);
    expect(back.tokenizer!.toJSON()).toEqual(model.tokenizer!.toJSON());
    expect(await goldenError(folder, "log_score_f64")).toBeLessThan(toleranceOf("log_score_f64"));
  });

  test("F16: every weight is the nearest half, in half the space", async () => {
    const folder = temporaryFolder();
    const model = await original();
    await saveModel(folder, { ...model, dtype: "F16" });
    const back = await readModel(folder);
    const halves = halfValues();
    expect(back.parameters).toEqual(model.parameters.map((value) => halves[toHalf(value)]!));
    const bytes = readFileSync(join(folder, "model.safetensors")).length;
    expect(bytes).toBeLessThan(2 * model.parameters.length + 4096);
    // Official names, so that the official code reads it too.
    const names = [...(await readSafetensors(join(folder, "model.safetensors"))).entries.keys()];
    expect(names).toContain("blocks.1.adaLN_modulation.bias");
    expect(names).toHaveLength(30);
  });

  test("both parameterizations and noises, with and without a tokenizer", async () => {
    const { parameters, config } = await original();
    for (const parameterization of ["score", "normalized"] as const) {
      for (const noise of [
        { kind: "loglinear", eps: 0.01 },
        { kind: "geometric", sigmaMin: 1e-4, sigmaMax: 12 },
      ] as const) {
        const folder = temporaryFolder();
        const changed = { ...config, sedd: { ...config.sedd, parameterization, noise, scaleBySigma: false } };
        await saveModel(folder, { config: changed, parameters });
        const back = await readModel(folder);
        expect(back.config).toEqual(changed);
        expect(back.tokenizer).toBeUndefined();
      }
    }
  });

  test("saving again replaces; what cannot be saved leaves no model", async () => {
    const model = await original();
    const folder = temporaryFolder();
    await saveModel(folder, model);
    const doubled = model.parameters.map((value) => 2 * value);
    await saveModel(folder, { ...model, parameters: doubled });
    expect((await readModel(folder)).parameters).toEqual(doubled);
    const parameters = model.parameters.slice();
    parameters[7] = 1e6;
    const other = join(temporaryFolder(), "x");
    await expectUserError(
      saveModel(other, { ...model, parameters, dtype: "F16" }),
      /tensor "vocab_embed\.embedding" holds 1000000, which F16 cannot/,
    );
    expect(existsSync(join(other, "config.json"))).toBe(false);
    await expectUserError(
      saveModel(other, { ...model, parameters: parameters.subarray(1) }),
      /\d+ parameters to save, but the configuration means \d+/,
    );
    await expectUserError(saveModel(other, { ...model, dtype: "F64" as "F32" }), /^dtype F64: not known; "F32" and "F16" are/);
    mkdirSync(other, { recursive: true });
    writeFileSync(join(other, "checkpoint.safetensors"), "");
    await expectUserError(saveModel(other, model), /is a training run, whose checkpoint would be loaded instead; save to another folder/);
  });
});
