/**
 * `config.json` of GPT-2 and BERT as the transformers library writes it. Read are the sizes; what would make another network of the same
 * parameters (an activation, a kind of attention) is refused by name rather than passed over.
 */
import { z } from "zod";
import { UserError } from "../platform/errors.ts";

/** Sizes of a GPT-2 or BERT. */
export interface TransformerConfig {
  readonly vocabulary: number;
  /** The longest text, in tokens. */
  readonly positions: number;
  readonly hidden: number;
  /** Width inside the MLP. */
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  /** Added to the variance in a LayerNorm. */
  readonly normEps: number;
}

export interface BertConfig extends TransformerConfig {
  /** Token types: sentence A and sentence B. */
  readonly types: number;
  /** The padding token's id, where there is one. */
  readonly padding: number | undefined;
}

const size = z.int().positive();
/** Bounded, since parameters are listed block by block before they are compared with the weights; other sizes cost nothing until then. */
const blocks = size.max(4096);
/** A key whose other values mean a network that is not built here; the first is the library's default. */
const only = (...values: [string | boolean, ...(string | boolean)[]]) =>
  z
    .literal(values, {
      error: ({ input }) => `${JSON.stringify(input)} is not supported; ${values.map((value) => JSON.stringify(value)).join(" or ")} is`,
    })
    .default(values[0]);

const gpt2 = z
  .object({
    model_type: z.literal("gpt2"),
    vocab_size: size,
    n_positions: size,
    n_embd: size,
    n_inner: size.nullish(),
    n_layer: blocks,
    n_head: size,
    layer_norm_epsilon: z.number().positive().default(1e-5),
    activation_function: only("gelu_new", "gelu_pytorch_tanh"),
    scale_attn_weights: only(true),
    scale_attn_by_inverse_layer_idx: only(false),
    add_cross_attention: only(false),
    tie_word_embeddings: only(true),
  })
  .transform((c): TransformerConfig => ({
    vocabulary: c.vocab_size,
    positions: c.n_positions,
    hidden: c.n_embd,
    inner: c.n_inner ?? 4 * c.n_embd,
    layers: c.n_layer,
    heads: c.n_head,
    normEps: c.layer_norm_epsilon,
  }));

const bert = z
  .object({
    model_type: z.literal("bert"),
    vocab_size: size,
    max_position_embeddings: size,
    hidden_size: size,
    intermediate_size: size,
    num_hidden_layers: blocks,
    num_attention_heads: size,
    type_vocab_size: size.default(2),
    pad_token_id: z.int().min(0).nullable().default(0),
    layer_norm_eps: z.number().positive().default(1e-12),
    hidden_act: only("gelu"),
    position_embedding_type: only("absolute"),
    is_decoder: only(false),
    add_cross_attention: only(false),
    tie_word_embeddings: only(true),
  })
  .transform((c): BertConfig => ({
    vocabulary: c.vocab_size,
    positions: c.max_position_embeddings,
    hidden: c.hidden_size,
    inner: c.intermediate_size,
    layers: c.num_hidden_layers,
    heads: c.num_attention_heads,
    normEps: c.layer_norm_eps,
    types: c.type_vocab_size,
    padding: c.pad_token_id ?? undefined,
  }));

function read<T extends TransformerConfig>(schema: z.ZodType<T>, kind: string, json: unknown, where: string): T {
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new UserError(`${where}: ${issue.path.join(".")}: ${issue.message}; expected the configuration of a ${kind} model`);
  }
  const { hidden, heads } = result.data;
  if (hidden % heads !== 0) throw new UserError(`${where}: a width of ${hidden} is not a multiple of its ${heads} attention heads`);
  return result.data;
}

/** @param where what errors call the file; UserError for a missing size, and for what is not supported */
export const readGpt2Config = (json: unknown, where: string): TransformerConfig => read(gpt2, "GPT-2", json, where);

/** @param where what errors call the file; UserError for a missing size, and for what is not supported */
export const readBertConfig = (json: unknown, where: string): BertConfig => read(bert, "BERT", json, where);
