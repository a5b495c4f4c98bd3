/**
 * What the transformers library's networks have in common: tokens in, logits for tokens out, and the pieces that such transformers are made of.
 * (As a score asks: states-network.ts.)
 */
import { UserError } from "../platform/errors.ts";
import { reshape, split, transpose, type Tensor } from "../tensor/index.ts";
import type { Parameters, Past } from "./ddit.ts";
import { normal, ones, zeros, type NetworkParameter } from "./initialize.ts";

export interface LogitsInputs {
  /** int32 [batch, length] */
  readonly tokens: Tensor;
  /** float32 [batch, 1, 1, length], added to the attention scores: 0, or very negative at padding. */
  readonly mask?: Tensor;
}

/** A causal trunk that goes on from the keys and values of earlier positions, and gives those of its tokens: what a cache asks for. */
export interface CausalTrunk {
  /** What the positions of a past are given in. */
  readonly positions: "int32" | "int64";
  /** `output` is [batch·length, hidden]; keys and values are [batch, heads, length, hidden/heads], a tensor a layer. */
  trunk(
    parameters: Parameters,
    inputs: { readonly tokens: Tensor; readonly past?: Past },
  ): { readonly output: Tensor; readonly keys: readonly Tensor[]; readonly values: readonly Tensor[] };
}

export interface LogitsNetwork {
  /** Tokens of the vocabulary: how wide logits are. */
  readonly vocabulary: number;
  /** The longest text, in tokens. */
  readonly positions: number;
  /** How wide the rows are that the trunk gives and the head reads. */
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Of a network whose positions see only themselves and what stands before them. Then their logits are for the token after, otherwise for their own. */
  readonly causal: CausalTrunk | undefined;
  readonly parameters: readonly NetworkParameter[];
  /** Whether the trunk reads the parameter, and whether the head does. A tied table, embedding and output layer in one, is read by both. */
  inTrunk(name: string): boolean;
  inHead(name: string): boolean;
  /** Whether Muon may orthogonalise the parameter. */
  isHiddenMatrix(name: string): boolean;
  /** Tokens → [batch·length, hidden]. */
  trunk(parameters: Parameters, inputs: LogitsInputs): Tensor;
  /** Rows [m, hidden] → logits [m, vocabulary]. Each row by itself, so that it can run on few. */
  head(parameters: Parameters, rows: Tensor): Tensor;
}

/** A LayerNorm's weight and bias. */
export const normParameters = (name: string, width: number): NetworkParameter[] => [
  { name: `${name}.weight`, shape: [width], initialize: ones },
  { name: `${name}.bias`, shape: [width], initialize: zeros },
];

/** A weight of the given shape, N(0, deviation²), and a bias [width], zero. */
export const denseParameters = (name: string, shape: readonly number[], width: number, deviation: number): NetworkParameter[] => [
  { name: `${name}.weight`, shape, initialize: normal(deviation) },
  { name: `${name}.bias`, shape: [width], initialize: zeros },
];

/** [batch·length, heads·d] or [batch, length, heads·d] → [batch, heads, length, d] */
export const splitHeads = (x: Tensor, batch: number, length: number, heads: number): Tensor =>
  transpose(reshape(x, [batch, length, heads, x.shape.at(-1)! / heads]), [0, 2, 1, 3]);

/** [batch, heads, length, d] → [batch·length, heads·d] */
export function joinHeads(x: Tensor): Tensor {
  const [batch, heads, length, d] = x.shape as [number, number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch * length, heads * d]);
}

/** Rows `start` … `start + count − 1` of a table of learned positions, [count, hidden]. UserError where it has not so many. */
export function positionRows(table: Tensor, start: number, count: number): Tensor {
  const rest = table.shape[0]! - start - count;
  if (rest < 0) throw new UserError(`a text of ${start + count} tokens: the network has ${table.shape[0]} positions; shorten the text`);
  const sizes = [start, count, rest].filter((size) => size > 0);
  return split(table, 0, sizes)[start > 0 ? 1 : 0]!;
}
