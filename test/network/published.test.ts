/** Folders of the transformers library: the names that published files have, and weights that do not fit. */
import { beforeAll, describe, expect, test } from "vitest";
import { readModelFolder, type ModelFolder, type NamedTensor } from "../../src/formats/hub.ts";
import { publishedNetwork } from "../../src/network/published.ts";
import { UserError } from "../../src/platform/errors.ts";
import { fixturePath } from "../support/fixtures.ts";

const folders: Record<string, ModelFolder> = {};
beforeAll(async () => {
  for (const name of ["gpt2", "bert"]) folders[name] = await readModelFolder(fixturePath(name));
});

/** The parameters of a fixture whose tensors were renamed, dropped (undefined) or added to. */
function parametersOf(name: string, rename: (tensor: string) => string | undefined, more: Record<string, NamedTensor> = {}): Float32Array {
  const { config, tensors } = folders[name]!;
  const renamed = [...tensors].flatMap(([tensor, value]) => (rename(tensor) === undefined ? [] : [[rename(tensor)!, value] as const]));
  return publishedNetwork({ config, tensors: new Map([...renamed, ...Object.entries(more)]) }, "folder").parameters;
}
const plain = (name: string): Float32Array => parametersOf(name, (tensor) => tensor);
const tensor = (name: string, of: string): NamedTensor => folders[name]!.tensors.get(of)!;
const zeros = (...shape: number[]): NamedTensor => ({ shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) });

function expectRefused(attempt: () => unknown, message: string): void {
  expect(attempt).toThrow(UserError);
  expect(attempt).toThrow(message);
}

test("GPT-2 loads without the prefix, with the causal masks as buffers, and with the output layer written out", () => {
  const buffers = {
    "h.0.attn.bias": zeros(1, 1, 32, 32),
    "h.1.attn.masked_bias": zeros(),
    "lm_head.weight": tensor("gpt2", "transformer.wte.weight"),
  };
  const loaded = parametersOf("gpt2", (name) => name.replace("transformer.", ""), buffers);
  expect(loaded).toEqual(plain("gpt2"));
  expect(loaded).toHaveLength(61_056);
});

test("BERT loads with the names of its first files, and with what its other heads have", () => {
  const rename = (name: string): string => name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
  const more = {
    "bert.pooler.dense.weight": zeros(48, 48),
    "cls.seq_relationship.bias": zeros(2),
    "bert.embeddings.position_ids": zeros(1, 32),
    "cls.predictions.decoder.weight": tensor("bert", "bert.embeddings.word_embeddings.weight"),
    "cls.predictions.decoder.bias": tensor("bert", "cls.predictions.bias"),
  };
  expect(parametersOf("bert", rename, more)).toEqual(plain("bert"));
});

describe("weights that are not those of the configuration", () => {
  test("missing and unknown tensors are named, five at most", () => {
    expectRefused(
      () => parametersOf("gpt2", (name) => (name.endsWith("ln_f.bias") ? undefined : name), { "transformer.h.2.ln_1.bias": zeros(48) }),
      "folder: the weights are not those of its config.json: missing transformer.ln_f.bias; unknown transformer.h.2.ln_1.bias",
    );
    expectRefused(
      () => parametersOf("bert", (name) => (name.startsWith("cls.") ? undefined : name)),
      "missing cls.predictions.bias, cls.predictions.transform.dense.weight",
    );
    expectRefused(() => parametersOf("bert", (name) => (name.includes("layer.1.") ? undefined : name)), "and 11 more");
  });

  test("a tensor of another shape", () => {
    expectRefused(
      () => parametersOf("gpt2", (name) => name, { "transformer.wpe.weight": zeros(31, 48) }),
      "folder: transformer.wpe.weight has shape [31, 48], its config.json means [32, 48]",
    );
  });

  test("a value that is no number", () => {
    const damaged = tensor("gpt2", "transformer.ln_f.bias");
    const data = damaged.data.slice().fill(NaN, 3, 4);
    expectRefused(
      () => parametersOf("gpt2", (name) => name, { "transformer.ln_f.bias": { ...damaged, data } }),
      "transformer.ln_f.bias holds NaN",
    );
  });

  test("an output layer that is not the embedding", () => {
    expectRefused(
      () => parametersOf("gpt2", (name) => name, { "lm_head.weight": zeros(60, 48) }),
      "folder: lm_head.weight differs from transformer.wte.weight",
    );
  });

  test("another kind of model", () => {
    expectRefused(
      () => publishedNetwork({ ...folders["gpt2"]!, config: { model_type: "t5" } }, "folder"),
      'folder: config.json: model_type: "t5" is not supported; "gpt2" or "bert" is',
    );
  });
});
