/**
 * A folder of the transformers library as a network and its flat parameters. Published files of one network differ in names: a prefix is there or
 * not, LayerNorms of the first BERTs have `gamma` and `beta`, tied tables may stand there twice, and parts may be there that logits do not need.
 */
import { flatParameters } from "../formats/parameters.ts";
import type { ModelFolder, NamedTensor } from "../formats/hub.ts";
import { readBertConfig, readGpt2Config } from "../formats/transformers-config.ts";
import { UserError } from "../platform/errors.ts";
import { Layout } from "../tensor/index.ts";
import { bertNetwork } from "./bert.ts";
import { gpt2Network } from "./gpt2.ts";
import type { LogitsNetwork } from "./logits-network.ts";

interface Naming {
  /** The name of a file → ours. */
  rename(name: string): string;
  /** By our names: buffers, and heads for other tasks. */
  readonly ignored: RegExp;
  /** Copies of tied parameters, by our names, and what they are copies of. */
  readonly copies: Readonly<Record<string, string>>;
}

const gpt2Names: Naming = {
  rename: (name) => (/^(transformer|lm_head)\./.test(name) ? name : `transformer.${name}`),
  ignored: /\.attn\.(masked_)?bias$/,
  copies: { "lm_head.weight": "transformer.wte.weight" },
};

const bertNames: Naming = {
  rename: (name) => name.replace(/LayerNorm\.gamma$/, "LayerNorm.weight").replace(/LayerNorm\.beta$/, "LayerNorm.bias"),
  ignored: /^bert\.pooler\.|^cls\.seq_relationship\.|^bert\.embeddings\.position_ids$/,
  copies: {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
  },
};

const kinds = {
  gpt2: { names: gpt2Names, build: (config: unknown, where: string) => gpt2Network(readGpt2Config(config, where)) },
  bert: { names: bertNames, build: (config: unknown, where: string) => bertNetwork(readBertConfig(config, where)) },
};

const isPublishedKind = (kind: unknown): kind is keyof typeof kinds => typeof kind === "string" && Object.hasOwn(kinds, kind);

/**
 * @param folder as readModelFolder gives it; `where` is what errors call it
 * @returns the network, and its parameters in the order of `network.parameters`
 * @throws UserError for another kind of model, an unsupported configuration, and weights that are not those of the configuration
 */
export function publishedNetwork(
  { config, tensors }: ModelFolder,
  where: string,
): { readonly network: LogitsNetwork; readonly parameters: Float32Array } {
  const kind = config["model_type"];
  if (!isPublishedKind(kind))
    throw new UserError(`${where}: config.json: model_type: ${JSON.stringify(kind)} is not supported; "gpt2" or "bert" is`);
  const { names, build } = kinds[kind];
  const network = build(config, `${where}: config.json`);
  return { network, parameters: flatParameters(renamed(tensors, names, where), new Layout(network.parameters), where) };
}

function renamed(tensors: ReadonlyMap<string, NamedTensor>, { rename, ignored, copies }: Naming, where: string): Map<string, NamedTensor> {
  const ours = new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
  for (const name of ours.keys()) if (ignored.test(name)) ours.delete(name);
  for (const [copy, original] of Object.entries(copies)) {
    const [repeated, first] = [ours.get(copy), ours.get(original)];
    if (!repeated) continue;
    if (first && repeated.data.some((value, i) => value !== first.data[i]))
      throw new UserError(`${where}: ${copy} differs from ${original}; only an output layer tied to the embedding is supported`);
    ours.delete(copy);
  }
  return ours;
}
