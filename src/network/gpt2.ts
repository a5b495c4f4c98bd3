/**
 * GPT-2 (Radford et al. 2019) as a function over named parameters: pre-norm blocks, causal attention, learned positions, an output layer that is
 * the embedding. Names, shapes and layout are those of the transformers library, whose linear layers store their weights (in, out).
 */
import type { TransformerConfig } from "../formats/transformers-config.ts";
import { add, attention, concat, gather, gelu, gemm, layerNorm, linear, reshape, split, type Tensor } from "../tensor/index.ts";
import { causalMask, type Parameters } from "./ddit.ts";
import { normal, type NetworkParameter } from "./initialize.ts";
import {
  denseParameters,
  joinHeads,
  normParameters,
  positionRows,
  splitHeads,
  type LogitsInputs,
  type LogitsNetwork,
} from "./logits-network.ts";

const EMBEDDING = "transformer.wte.weight";

/** Parameters with GPT-2's initialisation: N(0, 0.02²), and what a block adds to the residual stream smaller by √(number of additions). */
export function gpt2Parameters({ vocabulary, positions, hidden, inner, layers }: TransformerConfig): NetworkParameter[] {
  const dense = (name: string, fanIn: number, out: number, deviation = 0.02): NetworkParameter[] =>
    denseParameters(name, [fanIn, out], out, deviation);
  const residual = 0.02 / Math.sqrt(2 * layers);
  return [
    { name: EMBEDDING, shape: [vocabulary, hidden], initialize: normal(0.02) },
    { name: "transformer.wpe.weight", shape: [positions, hidden], initialize: normal(0.02) },
    ...Array.from({ length: layers }, (_, i) => `transformer.h.${i}`).flatMap((block) => [
      ...normParameters(`${block}.ln_1`, hidden),
      ...dense(`${block}.attn.c_attn`, hidden, 3 * hidden),
      ...dense(`${block}.attn.c_proj`, hidden, hidden, residual),
      ...normParameters(`${block}.ln_2`, hidden),
      ...dense(`${block}.mlp.c_fc`, hidden, inner),
      ...dense(`${block}.mlp.c_proj`, inner, hidden, residual),
    ]),
    ...normParameters("transformer.ln_f", hidden),
  ];
}

/** A block's keys and values of m positions, each [batch, heads, m, hidden/heads]. */
export interface KeysAndValues {
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** `mask` is [batch or 1, 1, 1, m + length] where m positions of a past are given: they come first. */
export interface Gpt2Inputs extends LogitsInputs {
  /** What earlier calls computed for the m positions before these tokens, a pair for each block. Slots not filled yet are for the mask to hide. */
  readonly past?: readonly KeysAndValues[];
  /** int32 [batch, length]: where the tokens stand; m, m + 1, … if left out, which is right where every slot of the past is filled. */
  readonly positions?: Tensor;
}

/** Tokens → what the head reads, [batch·length, hidden], and the keys and values of these tokens (without those of the past). */
export function gpt2Trunk(p: Parameters, config: TransformerConfig, inputs: Gpt2Inputs): { output: Tensor; present: KeysAndValues[] } {
  const { hidden, layers, heads, normEps } = config;
  const { tokens, past } = inputs;
  const [batch, length] = tokens.shape as [number, number];
  const before = past ? past[0]!.keys.shape[2]! : 0;
  const norm = (x: Tensor, name: string): Tensor => layerNorm(x, p[`${name}.weight`]!, p[`${name}.bias`], normEps);
  const dense = (x: Tensor, name: string): Tensor => gemm(x, p[`${name}.weight`]!, { bias: p[`${name}.bias`]! });
  const mask = visible(length, before, inputs.mask);

  const table = p["transformer.wpe.weight"]!;
  const places = inputs.positions ? gather(table, inputs.positions) : positionRows(table, before, length);
  let x = reshape(add(gather(p[EMBEDDING]!, tokens), places), [batch * length, hidden]);
  const present: KeysAndValues[] = [];
  for (let i = 0; i < layers; i++) {
    const block = `transformer.h.${i}`;
    const qkv = split(dense(norm(x, `${block}.ln_1`), `${block}.attn.c_attn`), 1, [hidden, hidden, hidden]);
    const [queries, keys, values] = qkv.map((part) => splitHeads(part, batch, length, heads)) as [Tensor, Tensor, Tensor];
    present.push({ keys, values });
    const after = (old: Tensor | undefined, own: Tensor): Tensor => (old ? concat([old, own], 2) : own);
    const mixed = attention(queries, after(past?.[i]!.keys, keys), after(past?.[i]!.values, values), mask);
    x = add(x, dense(joinHeads(mixed), `${block}.attn.c_proj`));
    x = add(x, dense(gelu(dense(norm(x, `${block}.ln_2`), `${block}.mlp.c_fc`)), `${block}.mlp.c_proj`));
  }
  return { output: norm(x, "transformer.ln_f"), present };
}

/** What is added to the scores of `length` queries against `before + length` keys: query i sees keys up to before + i that `mask` leaves. */
function visible(length: number, before: number, mask: Tensor | undefined): Tensor | undefined {
  if (length === 1) return mask;
  const causal = causalMask(length, before);
  return mask ? add(causal, mask) : causal;
}

/** Rows of the trunk's output [m, hidden] → logits [m, vocabulary]. */
export const gpt2Head = (p: Parameters, rows: Tensor): Tensor => linear(rows, p[EMBEDDING]!);

export const gpt2Network = (config: TransformerConfig): LogitsNetwork => ({
  vocabulary: config.vocabulary,
  positions: config.positions,
  hidden: config.hidden,
  layers: config.layers,
  heads: config.heads,
  causal: {
    positions: "int32",
    trunk(p, { tokens, past }) {
      const pairs = past && {
        past: past.keys.map((keys, i) => ({ keys, values: past.values[i]! })),
        positions: past.positions,
        mask: past.mask,
      };
      const { output, present } = gpt2Trunk(p, config, { tokens, ...pairs });
      return { output, keys: present.map(({ keys }) => keys), values: present.map(({ values }) => values) };
    },
  },
  parameters: gpt2Parameters(config),
  inTrunk: () => true,
  inHead: (name) => name === EMBEDDING,
  isHiddenMatrix: (name) => /\.c_(attn|proj|fc)\.weight$/.test(name),
  trunk: (p, inputs) => gpt2Trunk(p, config, inputs).output,
  head: gpt2Head,
});
