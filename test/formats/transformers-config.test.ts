/** config.json of GPT-2 and BERT: what is read, and what is refused by name. */
import { describe, expect, test } from "vitest";
import { readBertConfig, readGpt2Config } from "../../src/formats/transformers-config.ts";
import { UserError } from "../../src/platform/errors.ts";
import { goldenJson } from "../support/fixtures.ts";

const gpt2 = goldenJson<Record<string, unknown>>("gpt2/config.json");
const bert = goldenJson<Record<string, unknown>>("bert/config.json");

test("the fixtures' sizes", () => {
  const shared = { vocabulary: 60, positions: 32, hidden: 48, layers: 2, heads: 4 };
  expect(readGpt2Config(gpt2, "c")).toEqual({ ...shared, inner: 192, normEps: 1e-5 });
  expect(readBertConfig(bert, "c")).toEqual({ ...shared, inner: 96, normEps: 1e-12, types: 2, padding: 0 });
});

test("keys that older files lack have the library's defaults, and n_inner counts where it is given", () => {
  const sizes = { model_type: "gpt2", vocab_size: 50257, n_positions: 1024, n_ctx: 1024, n_embd: 768, n_layer: 12, n_head: 12 };
  const small = readGpt2Config({ ...sizes, activation_function: "gelu_new", layer_norm_epsilon: 1e-5 }, "c");
  expect(small).toEqual({ vocabulary: 50257, positions: 1024, hidden: 768, inner: 3072, layers: 12, heads: 12, normEps: 1e-5 });
  expect(readGpt2Config({ ...sizes, n_inner: 100 }, "c").inner).toBe(100);
  expect(readBertConfig({ ...bert, pad_token_id: null }, "c").padding).toBeUndefined();
});

describe.each([
  ["GPT-2", readGpt2Config, gpt2, "n_layer"],
  ["BERT", readBertConfig, bert, "num_hidden_layers"],
] as const)("%s", (name, read, config, layers) => {
  const refuse = (change: Record<string, unknown>, message: string): void => {
    const attempt = (): unknown => read({ ...config, ...change }, "m/config.json");
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(message);
  };

  test("a size that is missing or no size", () => {
    for (const value of [undefined, 0, 1.5, "2", 40_000_000]) refuse({ [layers]: value }, `m/config.json: ${layers}: `);
    refuse({ [layers]: 0 }, `; expected the configuration of a ${name} model`);
  });

  test("a width that the heads do not divide", () => {
    refuse({ n_head: 5, num_attention_heads: 5 }, "m/config.json: a width of 48 is not a multiple of its 5 attention heads");
  });

  test("what would be another network", () => {
    refuse({ add_cross_attention: true }, "m/config.json: add_cross_attention: true is not supported; false is");
    refuse({ tie_word_embeddings: false }, "tie_word_embeddings: false is not supported; true is");
    refuse({ model_type: "t5" }, "m/config.json: model_type: ");
  });
});

test("what would be another GPT-2", () => {
  const refuse = (change: Record<string, unknown>, message: string): void =>
    expect(() => readGpt2Config({ ...gpt2, ...change }, "c")).toThrow(message);
  refuse({ activation_function: "relu" }, 'c: activation_function: "relu" is not supported; "gelu_new" or "gelu_pytorch_tanh" is');
  refuse({ scale_attn_by_inverse_layer_idx: true }, "scale_attn_by_inverse_layer_idx: true is not supported");
  refuse({ scale_attn_weights: false }, "scale_attn_weights: false is not supported");
});

test("what would be another BERT", () => {
  const refuse = (change: Record<string, unknown>, message: string): void =>
    expect(() => readBertConfig({ ...bert, ...change }, "c")).toThrow(message);
  refuse({ hidden_act: "gelu_new" }, 'c: hidden_act: "gelu_new" is not supported; "gelu" is');
  refuse({ position_embedding_type: "relative_key" }, 'position_embedding_type: "relative_key" is not supported; "absolute" is');
  refuse({ is_decoder: true }, "is_decoder: true is not supported");
});
