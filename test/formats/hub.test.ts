import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ModelFolder, type NamedTensor, readModelConfig, readModelFolder } from "../../src/formats/hub.ts";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { UserError } from "../../src/platform/errors.ts";
import { bytesOf, call, dictionary, global, int, storage, tensor, torchFile } from "./torch-file.ts";

const fixtures = join(import.meta.dirname, "../fixtures");
let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "sedd-hub-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const values = (tensors: ReadonlyMap<string, NamedTensor>) =>
  Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, { shape, data }]));
const put = (name: string, content: string | Uint8Array): void => writeFileSync(join(folder, name), content);
const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).not.toContain("\n");
  return (error as UserError).message;
};
const distance = (a: NamedTensor, b: NamedTensor): number =>
  Math.sqrt(a.data.reduce((sum, value, i) => sum + (value - b.data[i]!) ** 2, 0));

describe.each(["sedd-absorb", "sedd-uniform"])("%s", (name) => {
  const from = join(fixtures, name);

  test("all three forms agree tensor by tensor", async () => {
    const truth = await readModelFolder(from);
    expect(truth.config["graph"]).toMatchObject({ type: name.slice(5) });
    expect(truth.tensors.size).toBe(31); // 30 parameters and one buffer
    expect(truth.ema).toBeUndefined();
    for (const file of ["model.safetensors", "pytorch_model.bin", "checkpoint.pth"]) {
      copyFileSync(join(from, "config.json"), join(folder, "config.json"));
      copyFileSync(join(from, file), join(folder, file));
      for (const model of [await readModelFolder(from, { file }), await readModelFolder(folder)] as ModelFolder[]) {
        expect(model.config).toEqual(truth.config);
        expect(new Set(model.tensors.keys())).toEqual(new Set(truth.tensors.keys()));
        for (const [key, expected] of truth.tensors) {
          const { shape, data } = model.tensors.get(key)!;
          expect(shape).toEqual(expected.shape);
          expect(Buffer.compare(bytesOf(data), bytesOf(expected.data)), key).toBe(0);
        }
      }
      rmSync(join(folder, file));
    }
  });

  test("the checkpoint's average is named in parameter order", async () => {
    const { tensors, ema, step } = await readModelFolder(from, { file: "checkpoint.pth" });
    expect(step).toBe(3);
    expect(ema!.decay).toBe(0.9999);
    expect(ema!.tensors.size).toBe(30);
    const list = /^Parameter order \(.*\): (.*)$/m.exec(readFileSync(join(fixtures, "README.md"), "utf8"))![1]!;
    expect([...ema!.tensors.keys()]).toEqual(list.split(", ").map((item) => item.replaceAll("`", "")));
    // Few steps were averaged: each average lies nearer to its own tensor than to any other of its shape.
    for (const [key, average] of ema!.tensors) {
      for (const [other, weights] of tensors) {
        if (other !== key && weights.shape.join() === average.shape.join())
          expect(distance(average, tensors.get(key)!)).toBeLessThan(distance(average, weights));
      }
    }
  });
});

describe("forms without a fixture", () => {
  const a = { name: "a", dtype: "F32", shape: [2], data: [1, 2] } as const;
  const b = { name: "b", dtype: "F16", shape: [], data: [3] } as const;
  const truth = { a: { shape: [2], data: Float32Array.of(1, 2) }, b: { shape: [], data: Float32Array.of(3) } };
  beforeEach(() => put("config.json", "{}"));

  test("several safetensors files with an index", async () => {
    await writeSafetensors(join(folder, "model-1.safetensors"), [a]);
    await writeSafetensors(join(folder, "model-2.safetensors"), [b]);
    const index = (map: Record<string, unknown>): void =>
      put("model.safetensors.index.json", JSON.stringify({ metadata: {}, weight_map: map }));
    index({ a: "model-1.safetensors", b: "model-2.safetensors" });
    expect(values((await readModelFolder(folder)).tensors)).toEqual(truth);
    index({ a: "model-1.safetensors", b: "model-1.safetensors" });
    expect(await refusal(readModelFolder(folder))).toContain('says that model-1.safetensors has the tensor "b", but it has not');
    index({ a: "model-3.safetensors" });
    expect(await refusal(readModelFolder(folder))).toContain("model-3.safetensors: there is no such file");
    for (const outside of ["../x.safetensors", "/etc/passwd", "..", "a\\b", 3]) {
      index({ a: outside });
      expect(await refusal(readModelFolder(folder))).toContain("not a file of its folder");
    }
    put("model.safetensors.index.json", "{}");
    expect(await refusal(readModelFolder(folder))).toContain("no weight_map");
  });

  test("the module. prefix of a data-parallel model is taken off", async () => {
    await writeSafetensors(join(folder, "model.safetensors"), [
      { ...a, name: "module.a" },
      { ...b, name: "module.b" },
    ]);
    expect(values((await readModelFolder(folder)).tensors)).toEqual(truth);
    await writeSafetensors(join(folder, "model.safetensors"), [{ ...a, name: "module.a" }, b]);
    expect([...(await readModelFolder(folder)).tensors.keys()].sort()).toEqual(["b", "module.a"]);
  });

  const weights = tensor(storage("FloatStorage", "0", 2, "cuda:0"), 0, [2], [1]);
  const file = (value: Uint8Array): Uint8Array => torchFile(value, { "0": bytesOf(Float32Array.of(1, 2)) });

  test("a training checkpoint of a data-parallel model", async () => {
    const list = Uint8Array.from([0x5d, 0x28, ...weights, 0x65]);
    const ema = dictionary({ decay: Uint8Array.of(0x47, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0), num_updates: int(7), shadow_params: list });
    put(
      "checkpoint.pth",
      file(dictionary({ model: dictionary({ "module.a": weights, "module.rotary_emb.inv_freq": weights }), ema, step: int(9) })),
    );
    const model = await readModelFolder(folder);
    expect([...model.tensors.keys()]).toEqual(["a", "rotary_emb.inv_freq"]);
    expect([model.step, model.ema!.decay, model.ema!.updates, values(model.ema!.tensors)]).toEqual([9, 0.5, 7, { a: truth.a }]);
  });

  test.each<[string, Uint8Array, string]>([
    ["a list", file(Uint8Array.of(0x5d)), "holds no dictionary of weights"],
    ["an entry that is no tensor", file(dictionary({ a: weights, n: int(1) })), "the entry n of its weights is no tensor"],
    ["a step that is none", file(dictionary({ model: dictionary({ a: weights }), step: int(-1) })), "its step is not a count"],
    ["an average that is none", file(dictionary({ model: dictionary({ a: weights }), ema: int(1) })), "is no dictionary"],
    [
      "an average without its list",
      file(dictionary({ model: dictionary({ a: weights }), ema: dictionary({}) })),
      "lacks decay, num_updates or shadow_params",
    ],
    [
      "an average of another model",
      file(
        dictionary({
          model: dictionary({ a: weights }),
          ema: dictionary({ decay: int(1), num_updates: int(1), shadow_params: Uint8Array.of(0x5d) }),
        }),
      ),
      "has 0 tensors, the model 1 parameters",
    ],
    [
      "an average of another shape",
      file(
        dictionary({
          model: dictionary({ a: weights }),
          ema: dictionary({
            decay: int(1),
            num_updates: int(1),
            shadow_params: Uint8Array.from([0x5d, ...tensor(storage("FloatStorage", "0", 2), 0, [1], [1]), 0x61]),
          }),
        }),
      ),
      "has no tensor of shape [2] for a",
    ],
    ["a program", file(call(global("builtins", "exec"), int(1))), "builtins.exec"],
  ])("checkpoint: %s", async (_, bytes, message) => {
    put("checkpoint.pth", bytes);
    const error = await refusal(readModelFolder(folder));
    expect(error).toContain(join(folder, "checkpoint.pth"));
    expect(error).toContain(message);
  });
});

describe("what is missing", () => {
  test("the folder, its config, its weights", async () => {
    const missing = join(folder, "missing");
    expect(await refusal(readModelFolder(missing))).toBe(
      `the model folder ${missing} does not exist; a folder with config.json and one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, checkpoint.pth would do`,
    );
    expect(await refusal(readModelFolder(folder))).toContain(`the model folder ${folder} has no config.json; a folder with`);
    put("config.json", '{"a": 1}');
    expect(await readModelConfig(folder)).toEqual({ a: 1 });
    expect(await refusal(readModelFolder(folder))).toBe(
      `the model folder ${folder} has no weights; one of model.safetensors, model.safetensors.index.json, pytorch_model.bin, checkpoint.pth would do`,
    );
    expect(await refusal(readModelFolder(folder, { file: "checkpoint.pth" }))).toBe(
      `the model folder ${folder} has no weights; checkpoint.pth would do`,
    );
    put("config.json", "{");
    expect(await refusal(readModelFolder(folder))).toContain(`${join(folder, "config.json")} is not valid JSON`);
  });

  test.each(["model.safetensors", "pytorch_model.bin", "checkpoint.pth"])("%s cut in half", async (file) => {
    copyFileSync(join(fixtures, "sedd-absorb/config.json"), join(folder, "config.json"));
    writeFileSync(join(folder, file), readFileSync(join(fixtures, "sedd-absorb", file)));
    truncateSync(join(folder, file), 200_000);
    const error = await refusal(readModelFolder(folder));
    expect(error).toContain(join(folder, file));
    expect(error).toContain("cut off");
  });
});
