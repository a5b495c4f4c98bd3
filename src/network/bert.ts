/**
 * BERT with its masked-language-model head (Devlin et al. 2018) as a function over named parameters: post-norm blocks, attention to both sides,
 * learned positions and token types, an output layer that is the embedding. Names, shapes and layout are those of the transformers library.
 */
import type { BertConfig } from "../formats/transformers-config.ts";
import { add, attention, equals, gather, geluErf, layerNorm, linear, reshape, where, withGradient, type Tensor } from "../tensor/index.ts";
import type { Parameters } from "./ddit.ts";
import { normal, zeros, type NetworkParameter } from "./initialize.ts";
import {
  denseParameters,
  joinHeads,
  normParameters,
  positionRows,
  splitHeads,
  type LogitsInputs,
  type LogitsNetwork,
} from "./logits-network.ts";

const EMBEDDING = "bert.embeddings.word_embeddings.weight";
const HEAD = "cls.predictions";

/** Parameters with BERT's initialisation: N(0, 0.02²), biases zero. */
export function bertParameters({ vocabulary, positions, types, hidden, inner, layers }: BertConfig): NetworkParameter[] {
  const table = (name: string, rows: number): NetworkParameter => ({ name, shape: [rows, hidden], initialize: normal(0.02) });
  const dense = (name: string, out: number, fanIn: number): NetworkParameter[] => denseParameters(name, [out, fanIn], out, 0.02);
  return [
    table(EMBEDDING, vocabulary),
    table("bert.embeddings.position_embeddings.weight", positions),
    table("bert.embeddings.token_type_embeddings.weight", types),
    ...normParameters("bert.embeddings.LayerNorm", hidden),
    ...Array.from({ length: layers }, (_, i) => `bert.encoder.layer.${i}`).flatMap((block) => [
      ...["query", "key", "value"].flatMap((part) => dense(`${block}.attention.self.${part}`, hidden, hidden)),
      ...dense(`${block}.attention.output.dense`, hidden, hidden),
      ...normParameters(`${block}.attention.output.LayerNorm`, hidden),
      ...dense(`${block}.intermediate.dense`, inner, hidden),
      ...dense(`${block}.output.dense`, hidden, inner),
      ...normParameters(`${block}.output.LayerNorm`, hidden),
    ]),
    { name: `${HEAD}.bias`, shape: [vocabulary], initialize: zeros },
    ...dense(`${HEAD}.transform.dense`, hidden, hidden),
    ...normParameters(`${HEAD}.transform.LayerNorm`, hidden),
  ];
}

export interface BertInputs extends LogitsInputs {
  /** int32 [batch, length]: the token types; all 0 if left out. */
  readonly types?: Tensor;
}

const dense = (p: Parameters, x: Tensor, name: string): Tensor => linear(x, p[`${name}.weight`]!, p[`${name}.bias`]);
const norm = (p: Parameters, { normEps }: BertConfig, x: Tensor, name: string): Tensor =>
  layerNorm(x, p[`${name}.LayerNorm.weight`]!, p[`${name}.LayerNorm.bias`], normEps);

/** Tokens → what the head reads, [batch·length, hidden]. */
export function bertTrunk(p: Parameters, config: BertConfig, { tokens, mask, types }: BertInputs): Tensor {
  const { hidden, layers, heads } = config;
  const [batch, length] = tokens.shape as [number, number];
  const places = positionRows(p["bert.embeddings.position_embeddings.weight"]!, 0, length);
  const typeTable = p["bert.embeddings.token_type_embeddings.weight"]!;
  const kinds = types ? gather(typeTable, types) : positionRows(typeTable, 0, 1);
  const embedded = add(add(lookUp(p[EMBEDDING]!, tokens, config.padding), places), kinds);
  let x = norm(p, config, reshape(embedded, [batch * length, hidden]), "bert.embeddings");
  for (let i = 0; i < layers; i++) {
    const block = `bert.encoder.layer.${i}`;
    const part = (name: string): Tensor => splitHeads(dense(p, x, `${block}.attention.self.${name}`), batch, length, heads);
    const mixed = joinHeads(attention(part("query"), part("key"), part("value"), mask));
    x = norm(p, config, add(x, dense(p, mixed, `${block}.attention.output.dense`)), `${block}.attention.output`);
    const wide = geluErf(dense(p, x, `${block}.intermediate.dense`));
    x = norm(p, config, add(x, dense(p, wide, `${block}.output.dense`)), `${block}.output`);
  }
  return x;
}

/** Rows of the embedding; as in the library, looking the padding token up teaches its row nothing. */
function lookUp(table: Tensor, tokens: Tensor, padding: number | undefined): Tensor {
  const rows = gather(table, tokens);
  if (padding === undefined) return rows;
  return withGradient(rows, [rows], (d) => [where(reshape(equals(tokens, padding), [...tokens.shape, 1]), 0, d)]);
}

/** Rows of the trunk's output [m, hidden] → logits [m, vocabulary]. */
export function bertHead(p: Parameters, config: BertConfig, rows: Tensor): Tensor {
  const turned = norm(p, config, geluErf(dense(p, rows, `${HEAD}.transform.dense`)), `${HEAD}.transform`);
  return linear(turned, p[EMBEDDING]!, p[`${HEAD}.bias`]);
}

export const bertNetwork = (config: BertConfig): LogitsNetwork => ({
  vocabulary: config.vocabulary,
  positions: config.positions,
  hidden: config.hidden,
  layers: config.layers,
  heads: config.heads,
  causal: undefined,
  parameters: bertParameters(config),
  inTrunk: (name) => !name.startsWith(HEAD),
  inHead: (name) => name === EMBEDDING || name.startsWith(HEAD),
  isHiddenMatrix: (name) => /^bert\.encoder\..*(query|key|value|dense)\.weight$/.test(name),
  trunk: (p, inputs) => bertTrunk(p, config, inputs),
  head: (p, rows) => bertHead(p, config, rows),
});
