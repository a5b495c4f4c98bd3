/**
 * The DDiT of SEDD (Lou, Meng, Ermon 2024, appendix; a DiT of Peebles & Xie 2023 over tokens) as a function over named parameters. Names,
 * shapes and layout are those of the official checkpoints, so a file loads without a map. The trunk ends before the last linear layer; the
 * head is that layer alone, so that it can run on a few rows only.
 *
 * It is the one trunk of all objectives. Without conditioning (0) it is a plain pre-norm transformer, the same but for adaLN: no σ, no gates. With
 * `causal` a position sees itself and what is left of it.
 */
import {
  add,
  attention,
  concat,
  constant,
  cos,
  dropout,
  gather,
  gelu,
  layerNorm,
  linear,
  mul,
  reshape,
  rotary,
  selectRows,
  silu,
  sin,
  split,
  type Tensor,
} from "../tensor/index.ts";
import type { Random } from "../platform/random.ts";
import { kaimingUniform, ones, pytorchLinear, zeros, type Initializer, type NetworkParameter } from "./initialize.ts";
import { joinHeads, splitHeads } from "./logits-network.ts";

export interface DDiTConfig {
  /** States of the graph: V, or V + 1 with MASK. */
  readonly states: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  /** Width of the conditioning vector; 0: the network is told no σ. */
  readonly conditioning: number;
  readonly dropout: number;
  readonly causal?: boolean;
}

/** Named parameters as traced values. */
export type Parameters = Readonly<Record<string, Tensor>>;

const SINUSOID = 256;

/**
 * Parameters in the official order, with their initialisation: adaLN and head zero, the rest as PyTorch's defaults. Where there is no adaLN, whose zero gates
 * make every block begin as the identity, the last matrix of each branch (attn_out, mlp.2) is zero instead: networks of all objectives begin as one function.
 */
export function dditParameters({ states, hidden, layers, conditioning }: DDiTConfig): NetworkParameter[] {
  const specs: NetworkParameter[] = [];
  const parameter = (name: string, shape: number[], initialize: Initializer): void => void specs.push({ name, shape, initialize });
  const dense = (name: string, out: number, fanIn: number, bias: boolean): void => {
    parameter(`${name}.weight`, [out, fanIn], pytorchLinear(fanIn));
    if (bias) parameter(`${name}.bias`, [out], pytorchLinear(fanIn));
  };
  const zeroDense = (name: string, out: number, fanIn: number, bias = true): void => {
    parameter(`${name}.weight`, [out, fanIn], zeros);
    if (bias) parameter(`${name}.bias`, [out], zeros);
  };
  const adaptive = (name: string, vectors: number): void => {
    if (conditioning > 0) zeroDense(`${name}.adaLN_modulation`, vectors * hidden, conditioning);
  };
  const ends = conditioning > 0 ? dense : zeroDense;
  parameter("vocab_embed.embedding", [states, hidden], kaimingUniform(hidden));
  if (conditioning > 0) {
    dense("sigma_map.mlp.0", conditioning, SINUSOID, true);
    dense("sigma_map.mlp.2", conditioning, conditioning, true);
  }
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    parameter(`${block}.norm1.weight`, [hidden], ones);
    dense(`${block}.attn_qkv`, 3 * hidden, hidden, false);
    ends(`${block}.attn_out`, hidden, hidden, false);
    parameter(`${block}.norm2.weight`, [hidden], ones);
    dense(`${block}.mlp.0`, 4 * hidden, hidden, true);
    ends(`${block}.mlp.2`, hidden, 4 * hidden, true);
    adaptive(block, 6);
  }
  parameter("output_layer.norm_final.weight", [hidden], ones);
  zeroDense("output_layer.linear", states, hidden);
  adaptive("output_layer", 2);
  return specs;
}

/** The block matrices that Muon orthogonalises; embeddings, head, vectors and adaLN stay with AdamW. */
export const isHiddenMatrix = (name: string): boolean => /^blocks\.\d+\.(attn_qkv|attn_out|mlp\.[02])\.weight$/.test(name);

/** A fresh flat buffer, filled in the order of {@link dditParameters}. */
export function initializeDDiT(config: DDiTConfig, random: Random): Float32Array {
  const specs = dditParameters(config);
  const sizes = specs.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
  const buffer = new Float32Array(sizes.reduce((a, b) => a + b, 0));
  let offset = 0;
  specs.forEach(({ initialize }, i) => {
    initialize(buffer.subarray(offset, (offset += sizes[i]!)), random);
  });
  return buffer;
}

export interface TrunkInputs {
  /** int32 [batch, length] */
  readonly tokens: Tensor;
  /** float32 [batch]; or longer, and the first `batch` count (see networkScore: why it pads). Needed with conditioning. */
  readonly sigma?: Tensor;
  /** float32 [batch, 1, 1, length], added to the attention scores: 0, or very negative at padding. */
  readonly mask?: Tensor;
  /** bool [2·layers·batch·length·hidden]: which activations dropout keeps. */
  readonly keep?: Tensor;
  /** The only rows that are read: after its attention, the last block runs on them alone. */
  readonly selection?: RowSelection;
  /** Of a causal network: what was computed before these tokens. */
  readonly past?: Past;
}

/** Keys (DDiT: rotated) and values of earlier positions, a tensor [batch, heads, cached, hidden/heads] a layer. */
export interface Past {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
  /** int64 [batch, length] (GPT-2: int32): where the tokens stand, below `limit`. */
  readonly positions: Tensor;
  readonly limit: number;
  /** float32 [1, 1, length, cached + length], added to the attention scores. */
  readonly mask: Tensor;
}

/** Rows of [batch·length, ·] as selectRows takes them, each with the batch row that it lies in. */
export interface RowSelection {
  /** int32 [m] */
  readonly rows: Tensor;
  /** int32 [batch·length] */
  readonly inverse: Tensor;
  /** int32 [m]; needed with conditioning */
  readonly sequence?: Tensor;
}

/** Added to an attention score that must not count. */
export const HIDDEN = -1e9;

/** Conditioning SiLU(MLP(sinusoid(σ): cos then sin)): sigma [batch] → [batch, conditioning]. */
export function dditConditioning(p: Parameters, sigma: Tensor): Tensor {
  const half = SINUSOID / 2;
  const frequencies = constant(
    Float32Array.from({ length: half }, (_, i) => Math.exp((-Math.log(10000) * i) / half)),
    [1, half],
  );
  const angles = mul(reshape(sigma, [sigma.shape[0]!, 1]), frequencies);
  const wave = concat([cos(angles), sin(angles)], 1);
  const inner = silu(linear(wave, p["sigma_map.mlp.0.weight"]!, p["sigma_map.mlp.0.bias"]));
  return silu(linear(inner, p["sigma_map.mlp.2.weight"]!, p["sigma_map.mlp.2.bias"]));
}

/**
 * Tokens → what the head reads, [batch·length, hidden], or [m, hidden] of a selection; `stages` are the residual stream before and after every
 * block, [batch·length, hidden]; `keys` (rotated) and `values` those of these tokens, [batch, heads, length, hidden/heads] a layer.
 */
export function dditTrunk(
  p: Parameters,
  config: DDiTConfig,
  inputs: TrunkInputs,
): { output: Tensor; conditioning: Tensor | undefined; stages: Tensor[]; keys: Tensor[]; values: Tensor[] } {
  const { hidden, layers, heads } = config;
  const { selection, past } = inputs;
  const [batch, length] = inputs.tokens.shape as [number, number];
  const conditioning = config.conditioning > 0 ? dditConditioning(p, inputs.sigma!) : undefined;
  const mask = past?.mask ?? (config.causal ? causalMask(length) : inputs.mask);
  const rows = batch * length;
  const cube = [batch, length, hidden];
  const keeps = inputs.keep
    ? split(
        inputs.keep,
        0,
        Array.from({ length: 2 * layers }, () => rows * hidden),
      )
    : [];
  // On m selected rows, the first m·hidden values of a mask serve: they are as independent as any others.
  const drop = (x: Tensor, i: number): Tensor => {
    const keep = keeps[i];
    if (!keep) return x;
    const size = x.shape[0]! * hidden;
    return dropout(x, size === rows * hidden ? keep : split(keep, 0, [size, rows * hidden - size])[0]!, config.dropout);
  };
  /** n vectors [batch, hidden] of an adaLN layer; none without conditioning. */
  const modulation = (name: string, n: number): Tensor[] => {
    if (!conditioning) return [];
    const padded = linear(conditioning, p[`${name}.weight`]!, p[`${name}.bias`]);
    const vectors = padded.shape[0] === batch ? padded : split(padded, 0, [batch, padded.shape[0]! - batch])[0]!;
    return split(
      vectors,
      1,
      Array.from({ length: n }, () => hidden),
    );
  };
  const byHead = (x: Tensor): Tensor => splitHeads(x, batch, length, heads);
  const turn = (x: Tensor): Tensor => byHead(rotary(reshape(x, cube), heads, 10000, past));

  // A vector per batch row against a stream of all rows, or of the selected ones.
  const all: Rows = { spread: (v) => reshape(v, [batch, 1, hidden]), shape: cube };
  const chosen: Rows | undefined = selection && {
    spread: (v) => gather(v, selection.sequence!),
    shape: [selection.rows.shape[0]!, hidden],
  };
  const choose = (x: Tensor): Tensor => selectRows(reshape(x, [rows, hidden]), selection!.rows, selection!.inverse);
  const modulatedNorm = (
    x: Tensor,
    weight: Tensor,
    shift: Tensor | undefined,
    scale: Tensor | undefined,
    { spread, shape }: Rows,
  ): Tensor =>
    shift && scale
      ? reshape(layerNorm(reshape(x, shape), spread(mul(add(scale, 1), reshape(weight, [1, hidden]))), spread(shift)), flatten(shape))
      : layerNorm(x, weight);
  const gated = (x: Tensor, gate: Tensor | undefined, branch: Tensor, { spread, shape }: Rows): Tensor =>
    gate ? reshape(add(reshape(x, shape), mul(spread(gate), reshape(branch, shape))), flatten(shape)) : add(x, branch);

  let x: Tensor = reshape(gather(p["vocab_embed.embedding"]!, inputs.tokens), [rows, hidden]);
  let at = all;
  const stages = [x];
  const [keys, values]: [Tensor[], Tensor[]] = [[], []];
  for (let i = 0; i < layers; i++) {
    const block = `blocks.${i}`;
    const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(`${block}.adaLN_modulation`, 6);
    const normed = modulatedNorm(x, p[`${block}.norm1.weight`]!, shift1, scale1, all);
    const [q, k, v] = split(linear(normed, p[`${block}.attn_qkv.weight`]!), 1, [hidden, hidden, hidden]) as [Tensor, Tensor, Tensor];
    keys.push(turn(k));
    values.push(byHead(v));
    const [allKeys, allValues] = past
      ? [concat([past.keys[i]!, keys[i]!], 2), concat([past.values[i]!, values[i]!], 2)]
      : [keys[i]!, values[i]!];
    let branch = joinHeads(attention(turn(q), allKeys, allValues, mask));
    if (chosen && i === layers - 1) {
      [x, branch, at] = [choose(x), choose(branch), chosen];
    }
    x = gated(x, gate1, drop(linear(branch, p[`${block}.attn_out.weight`]!), 2 * i), at);
    const normed2 = modulatedNorm(x, p[`${block}.norm2.weight`]!, shift2, scale2, at);
    const wide = gelu(linear(normed2, p[`${block}.mlp.0.weight`]!, p[`${block}.mlp.0.bias`]));
    const narrow = linear(wide, p[`${block}.mlp.2.weight`]!, p[`${block}.mlp.2.bias`]);
    x = gated(x, gate2, drop(narrow, 2 * i + 1), at);
    stages.push(x);
  }
  const [shift, scale] = modulation("output_layer.adaLN_modulation", 2);
  return { output: modulatedNorm(x, p["output_layer.norm_final.weight"]!, shift, scale, at), conditioning, stages, keys, values };
}

/** [1, 1, length, before + length], of the last `length` positions: what is right of a position is hidden from it. */
export function causalMask(length: number, before = 0): Tensor {
  const width = before + length;
  return constant(
    Float32Array.from({ length: length * width }, (_, at) => ((at % width) - before > Math.floor(at / width) ? HIDDEN : 0)),
    [1, 1, length, width],
  );
}

/** How vectors of the batch meet rows: all of a cube [batch, length, hidden], or selected ones [m, hidden]. */
interface Rows {
  readonly spread: (vector: Tensor) => Tensor;
  readonly shape: readonly number[];
}

const flatten = (shape: readonly number[]): readonly number[] => [shape.slice(0, -1).reduce((a, b) => a * b, 1), shape.at(-1)!];

/**
 * Rows of the trunk's output [rows, hidden] → logits [rows, states]. With `closed`, that state's logit is −1e30: it gets probability 0 and no
 * gradient, through the bias and at no further pass.
 */
export function dditHead(p: Parameters, rows: Tensor, closed?: number): Tensor {
  const bias = p["output_layer.linear.bias"]!;
  if (closed === undefined) return linear(rows, p["output_layer.linear.weight"]!, bias);
  const wall = Float32Array.from({ length: bias.shape[0]! }, (_, state) => (state === closed ? -1e30 : 0));
  return linear(rows, p["output_layer.linear.weight"]!, add(bias, constant(wall, bias.shape)));
}
