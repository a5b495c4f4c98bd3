/** The larger operations of a transformer. Each has a gradient written by hand, because the composed one costs more passes over memory. */
import { apply, applyMany, constant, ones, sameShape, show, sizeOf, TraceError, withGradient, type Tensor } from "../program.ts";
import { add, broadcast, exp, expect, mul, sigmoid, sub } from "./elementwise.ts";
import { matmul } from "./matrix.ts";
import { reduceSum } from "./reduce.ts";
import { reshape } from "./shape.ts";

/** GELU, tanh form: y = x·s with s = sigmoid(2u), u = √(2/π)(x + 0.044715 x³); so y' = s + y(1−s)·2u'. */
export function gelu(x: Tensor): Tensor {
  expect("gelu", "float32", x);
  const linearTerm = 2 * Math.sqrt(2 / Math.PI);
  const cubicTerm = linearTerm * 0.044715;
  const y: Tensor = apply(
    "Gelu",
    [x],
    { dtype: "float32", shape: x.shape },
    ([d]) => {
      const square = mul(x, x);
      const s = sigmoid(mul(x, add(mul(square, cubicTerm), linearTerm)));
      const slope = mul(y, add(mul(square, 3 * cubicTerm), linearTerm));
      return [mul(d!, add(s, sub(slope, mul(slope, s))))];
    },
    { approximate: { text: "tanh" } },
  );
  return y;
}

/** GELU, exact form: y = x·Φ(x), Φ the normal law's distribution; so y' = Φ(x) + x·φ(x). */
export function geluErf(x: Tensor): Tensor {
  expect("geluErf", "float32", x);
  const spec = { dtype: "float32", shape: x.shape } as const;
  return apply(
    "Gelu",
    [x],
    spec,
    ([d]) => {
      const below = mul(add(apply("Erf", [mul(x, Math.SQRT1_2)], spec), 1), 0.5);
      const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return [mul(d!, add(below, mul(x, density)))];
    },
    { approximate: { text: "none" } },
  );
}

/** Softmax over the last axis. */
export function softmax(x: Tensor): Tensor {
  expect("softmax", "float32", x);
  if (x.rank === 0) throw new TraceError("softmax: needs an axis, got []");
  const y: Tensor = apply(
    "Softmax",
    [x],
    { dtype: "float32", shape: x.shape },
    ([d]) => [mul(y, sub(d!, reduceSum(mul(d!, y), [x.rank - 1])))],
    { axis: { int: -1 } },
  );
  return y;
}

/**
 * (x − mean)/√(variance + eps) over the last axis, times `gain`, plus `shift` (both broadcast against x; their last extent is x's).
 * With g = dy·gain: dx = (g − mean(g) − x̂·mean(g·x̂))/σ, where the runtime's operator gives x̂ and 1/σ.
 */
export function layerNorm(x: Tensor, gain: Tensor, shift?: Tensor, eps = 1e-5): Tensor {
  expect("layerNorm", "float32", x, gain, ...(shift ? [shift] : []));
  const width = x.shape.at(-1)!;
  for (const tensor of shift ? [gain, shift] : [gain]) {
    if (tensor.shape.at(-1) !== width) throw new TraceError(`layerNorm: ${show(tensor.shape)} does not scale ${show(x.shape)}`);
  }
  const spec = { dtype: "float32", shape: x.shape } as const;
  const statistics = { dtype: "float32", shape: [...x.shape.slice(0, -1), 1] } as const;
  const [normal, , inverse] = applyMany(
    "LayerNormalization",
    [x, ones([width])],
    [spec, statistics, statistics],
    ([d]) => {
      const last = [x.rank - 1];
      const mean = mul(reduceSum(d!, last), 1 / width);
      const tilt = mul(reduceSum(mul(d!, normal!), last), 1 / width);
      return [mul(sub(sub(d!, mul(normal!, tilt)), mean), inverse!), undefined];
    },
    { axis: { int: -1 }, epsilon: { float: eps } },
  );
  const scaled = mul(normal!, gain);
  return shift ? add(scaled, shift) : scaled;
}

/**
 * Softmax attention: q [.., n, d], k [.., m, d], v [.., m, e] → [.., n, e]; `mask`, which broadcasts to [.., n, m], is added to the scaled
 * scores and has no gradient. The softmax's gradient needs Σ_j P_ij dP_ij, which equals Σ_d dO_id O_id: a sum over e instead of over m
 * (FlashAttention, Dao et al. 2022, appendix B).
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask?: Tensor): Tensor {
  const [lead, [n, d], [m]] = [q.shape.slice(0, -2), q.shape.slice(-2), k.shape.slice(-2)];
  if (q.rank < 2 || !sameShape(k.shape, [...lead, m!, d!]) || !sameShape(v.shape, [...lead, m!, v.shape.at(-1)!])) {
    throw new TraceError(`attention: shapes do not fit: ${show(q.shape)}, ${show(k.shape)} and ${show(v.shape)}`);
  }
  if (mask && !sameShape(broadcast("attention", mask.shape, [...lead, n!, m!]), [...lead, n!, m!])) {
    throw new TraceError(`attention: the mask ${show(mask.shape)} does not fit scores of ${show([...lead, n!, m!])}`);
  }
  const scale = 1 / Math.sqrt(q.shape.at(-1)!);
  const scores = matmul(q, k, { transposeB: true, scale });
  const weights = softmax(mask ? add(scores, mask) : scores);
  const output = matmul(weights, v);
  return withGradient(output, [q, k, v], (d) => {
    const tilt = reduceSum(mul(d, output), [output.rank - 1]);
    const ds = mul(weights, sub(matmul(d, v, { transposeB: true }), tilt));
    return [matmul(ds, k, { scale }), matmul(ds, q, { transposeA: true, scale }), matmul(weights, d, { transposeA: true })];
  });
}

/**
 * Rotary position embedding in halves (GPT-NeoX layout): x [batch, length, heads·d] is rotated head by head with angles
 * position·10000^(−2i/d). Linear, so its gradient is the rotation back. Positions are 0 … length−1, or `at.positions` (int64 [batch, length]), all below
 * `at.limit`.
 */
export function rotary(x: Tensor, heads: number, base = 10000, at?: { readonly positions: Tensor; readonly limit: number }): Tensor {
  const [batch, length, width] = x.shape as [number, number, number];
  if (x.rank !== 3 || width % (2 * heads) !== 0)
    throw new TraceError(`rotary: expects [batch, length, ${heads} heads × an even width], got ${show(x.shape)}`);
  const positions =
    at?.positions ??
    constant(
      BigInt64Array.from({ length: batch * length }, (_, i) => BigInt(i % length)),
      [batch, length],
    );
  return rotate(x, heads, positions, rotaryAngles(at?.limit ?? length, width / heads, base), 1);
}

function rotaryAngles(length: number, width: number, base: number): Float64Array {
  const half = width / 2;
  return Float64Array.from({ length: length * half }, (_, i) => {
    // PyTorch holds the inverse frequencies in float32; the checkpoint's buffer `rotary_emb.inv_freq` is the same.
    const frequency = Math.fround(1 / Math.fround(base ** Math.fround((2 * (i % half)) / width)));
    return Math.fround(Math.floor(i / half) * frequency);
  });
}

function rotate(x: Tensor, heads: number, positions: Tensor, angles: Float64Array, sign: 1 | -1): Tensor {
  const half = x.shape[2]! / heads / 2;
  const table = [angles.length / half, half];
  const cosine = constant(Float32Array.from(angles, Math.cos), table);
  const sine = constant(
    Float32Array.from(angles, (angle) => sign * Math.sin(angle)),
    table,
  );
  return apply(
    "RotaryEmbedding",
    [x, cosine, sine, positions],
    { dtype: "float32", shape: x.shape },
    ([d]) => [rotate(d!, heads, positions, angles, sign === 1 ? -1 : 1)],
    { num_heads: { int: heads } },
  );
}

/** Sets the fraction of entries where `keep` is false to 0 and scales the rest, so that the expectation stays. */
export function dropout(x: Tensor, keep: Tensor, probability: number): Tensor {
  expect("dropout", "float32", x);
  expect("dropout", "bool", keep);
  if (sizeOf(keep.shape) !== sizeOf(x.shape)) throw new TraceError(`dropout: the mask ${show(keep.shape)} does not fit ${show(x.shape)}`);
  const scaled = mul(x, 1 / (1 - probability));
  return apply("Where", [reshape(keep, x.shape), scaled, constant(Float32Array.of(0), [])], { dtype: "float32", shape: x.shape }, ([d]) => [
    undefined,
    apply("Where", [reshape(keep, x.shape), d!, constant(Float32Array.of(0), [])], { dtype: "float32", shape: x.shape }),
    undefined,
  ]);
}
