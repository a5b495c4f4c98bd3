/**
 * Folders of the transformers library as what they are. GPT-2 is an `ar` model: its first token is predicted after <|endoftext|>. BERT is an `mlm` model: MASK is
 * its vocabulary's [MASK], and the network reads every text between [CLS] and [SEP].
 */
import type { ModelFolder } from "../formats/hub.ts";
import type { LogitsNetwork } from "../network/logits-network.ts";
import { publishedNetwork } from "../network/published.ts";
import { beginningWith, between, type StatesNetwork } from "../network/states-network.ts";
import { UserError } from "../platform/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { ModelConfig } from "./sedd-config.ts";
import { readAsScore } from "./sedd.ts";

export interface PublishedModel {
  readonly config: ModelConfig;
  /** Flat, in the layout of the network's. */
  readonly parameters: Float32Array;
  readonly tokenizer: Tokenizer;
  readonly network: StatesNetwork;
}

/** Whether a `config.json` is one of the transformers library. */
export const isPublished = (config: Readonly<Record<string, unknown>>): boolean => "model_type" in config;

/** BERT's tokens that stand around texts and for what is missing in them. */
const FRAME = ["[PAD]", "[CLS]", "[SEP]", "[MASK]"] as const;

/**
 * @param where what errors call the folder
 * @throws UserError for another kind of model, weights that are not those of the configuration, and a tokenizer that is missing or lacks what begins a text
 */
export function publishedModel(folder: ModelFolder, tokenizer: Tokenizer | undefined, where: string): PublishedModel {
  const { network: logits, parameters } = publishedNetwork(folder, where);
  if (!tokenizer)
    throw new UserError(
      `${where}: has no tokenizer; tokenizer.json${logits.causal ? ", or vocab.json and merges.txt" : " or vocab.txt"} would do`,
    );
  const network = logits.causal ? causalNetwork(logits, tokenizer, where) : maskedNetwork(logits, tokenizer, where);
  const { states, hidden, layers, heads, causal, longest } = network;
  const config: ModelConfig = {
    sedd: {
      ...readAsScore,
      objective: causal ? "ar" : "mlm",
      network: { states, hidden, layers, heads, conditioning: 0, dropout: 0, ...(causal ? { causal: true } : {}) },
    },
    length: longest!,
    longest: longest!,
    ...(causal ? {} : { unwritten: FRAME.flatMap((token) => idOf(tokenizer, token) ?? []) }),
  };
  return { config, parameters, tokenizer, network };
}

function causalNetwork(network: LogitsNetwork, tokenizer: Tokenizer, where: string): StatesNetwork {
  if (tokenizer.endOfText === undefined) throw new UserError(`${where}: its tokenizer has no <|endoftext|>, after which a text begins`);
  return beginningWith(network, tokenizer.endOfText);
}

function maskedNetwork(network: LogitsNetwork, tokenizer: Tokenizer, where: string): StatesNetwork {
  const [first, last, mask] = (["[CLS]", "[SEP]", "[MASK]"] as const).map((token) => {
    const id = idOf(tokenizer, token);
    if (id === undefined) throw new UserError(`${where}: its tokenizer has no ${token}, which BERT was trained with`);
    return id;
  }) as [number, number, number];
  return between(network, { first, last, mask });
}

/** The id of a token that a text may spell, where there is one. */
function idOf(tokenizer: Tokenizer, token: string): number | undefined {
  const ids = tokenizer.encode(token);
  return ids.length === 1 && tokenizer.decode(ids) === token ? ids[0] : undefined;
}
