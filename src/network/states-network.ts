/**
 * What a score asks of a network, whichever it is: states of a graph in, logits out. DDiT has the graph's states as its own. GPT-2 and BERT know the tokens of their
 * vocabulary alone, some of which then do what is no token elsewhere: they begin a text, end it, or stand for MASK.
 */
import type { ParameterSpec, Tensor } from "../tensor/index.ts";
import { dditHead, dditParameters, dditTrunk, type DDiTConfig, type Parameters, type TrunkInputs } from "./ddit.ts";
import type { CausalTrunk, LogitsNetwork } from "./logits-network.ts";

export interface StatesNetwork {
  readonly parameters: readonly ParameterSpec[];
  /** Whether the trunk reads the parameter, and whether the head does. */
  inTrunk(name: string): boolean;
  inHead(name: string): boolean;
  /** States of the graph. */
  readonly states: number;
  /** Logits of a row: one for each state, or for each token alone, which MASK is not. */
  readonly logits: number;
  /** Width of the rows that the trunk gives and the head reads. */
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Whether it is told σ. */
  readonly conditioned: boolean;
  /** The longest text, in tokens; undefined where any length will do. */
  readonly longest: number | undefined;
  /** How many tokens it reads before a text, and as many after it: their rows are no position's. */
  readonly border: number;
  /** Of a network that sees only what stands before a position: row i, which has read the tokens before i, is for token i. */
  readonly causal: CausalTrunk | undefined;
  /** One text of states → what the trunk reads of it, 2·border longer. */
  read(text: Int32Array): Int32Array;
  /** [batch, length] of what was read → [batch·length, hidden]. */
  trunk(parameters: Parameters, inputs: Pick<TrunkInputs, "tokens" | "sigma" | "mask">): Tensor;
  /** Rows [m, hidden] → [m, logits]; `closed` is a state that is to have probability 0. */
  head(parameters: Parameters, rows: Tensor, closed?: number): Tensor;
}

/** What a causal network reads, so that at position i it tells token i: in each row of `length`, `begin` and then all tokens but the last. */
export const shiftedRight = (tokens: Int32Array, length: number, begin: number): Int32Array =>
  tokens.map((_, i) => (i % length === 0 ? begin : tokens[i - 1]!));

export function dditNetwork(config: DDiTConfig): StatesNetwork {
  const { states, hidden, layers, heads, conditioning } = config;
  const inHead = (name: string): boolean => name.startsWith("output_layer.linear.");
  return {
    ...{ states, logits: states, hidden, layers, heads },
    parameters: dditParameters(config),
    inTrunk: (name) => !inHead(name),
    inHead,
    conditioned: conditioning > 0,
    longest: undefined,
    border: 0,
    causal: config.causal ? { positions: "int64", trunk: (p, inputs) => dditTrunk(p, config, inputs) } : undefined,
    read: (text) => (config.causal ? shiftedRight(text, text.length, states - 1) : text),
    trunk: (p, inputs) => dditTrunk(p, config, inputs).output,
    head: dditHead,
  };
}

const published = (network: LogitsNetwork): Omit<StatesNetwork, "longest" | "border" | "read"> => ({
  ...network,
  states: network.vocabulary + 1,
  logits: network.vocabulary,
  conditioned: false,
  trunk: (p, { tokens, mask }) => network.trunk(p, { tokens, ...(mask ? { mask } : {}) }),
  head: (p, rows) => network.head(p, rows),
});

/** GPT-2: `begin` stands before the first token. */
export const beginningWith = (network: LogitsNetwork, begin: number): StatesNetwork => ({
  ...published(network),
  longest: network.positions,
  border: 0,
  read: (text) => shiftedRight(text, text.length, begin),
});

/** BERT: a text stands between two tokens, and a token is what MASK is to the network. */
export const between = (
  network: LogitsNetwork,
  { first, last, mask }: Readonly<Record<"first" | "last" | "mask", number>>,
): StatesNetwork => ({
  ...published(network),
  longest: network.positions - 2,
  border: 1,
  read: (text) => Int32Array.of(first, ...text.map((state) => (state === network.vocabulary ? mask : state)), last),
});
