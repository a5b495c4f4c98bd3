/** Matrix products. */
import { apply, show, TraceError, type Shape, type Tensor } from "../program.ts";
import { broadcast, expect, unbroadcast } from "./elementwise.ts";
import { reduceSum } from "./reduce.ts";
import { reshape } from "./shape.ts";

export interface ProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

const swap = (shape: Shape, yes: boolean | undefined): Shape => (yes ? [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!] : shape);

export interface GemmOptions extends ProductOptions {
  readonly scale?: number;
  /** [n], added to every row, or [m, n]. */
  readonly bias?: Tensor;
}

/** scale · A(ᵀ)·B(ᵀ) (+ bias) of two matrices: [m, k]·[k, n] (+ [n] or [m, n]) → [m, n]. */
export function gemm(a: Tensor, b: Tensor, { transposeA = false, transposeB = false, scale = 1, bias }: GemmOptions = {}): Tensor {
  expect("gemm", "float32", a, b, ...(bias ? [bias] : []));
  if (a.rank !== 2 || b.rank !== 2) throw new TraceError(`gemm: expects two matrices, got ${show(a.shape)} and ${show(b.shape)}`);
  const [m, k] = swap(a.shape, transposeA) as [number, number];
  const [k2, n] = swap(b.shape, transposeB) as [number, number];
  if (k !== k2) throw new TraceError(`gemm: inner extents differ: ${show([m, k])} and ${show([k2, n])}`);
  if (bias && bias.shape.join() !== `${n}` && bias.shape.join() !== `${m},${n}`)
    throw new TraceError(`gemm: the bias of ${show([m, n])} cannot be ${show(bias.shape)}`);
  const gradientOfBias = (d: Tensor): Tensor => (bias!.rank === 1 ? reshape(reduceSum(d, [0]), [n]) : d);
  return apply(
    "Gemm",
    bias ? [a, b, bias] : [a, b],
    { dtype: "float32", shape: [m, n] },
    ([d]) => [
      transposeA ? gemm(b, d!, { transposeA: transposeB, transposeB: true, scale }) : gemm(d!, b, { transposeB: !transposeB, scale }),
      transposeB ? gemm(d!, a, { transposeA: true, transposeB: transposeA, scale }) : gemm(a, d!, { transposeA: !transposeA, scale }),
      ...(bias ? [gradientOfBias(d!)] : []),
    ],
    {
      transA: { int: Number(transposeA) },
      transB: { int: Number(transposeB) },
      ...(scale === 1 ? {} : { alpha: { float: scale } }),
    },
  );
}

/** x·Wᵀ + b with PyTorch's layout: x [n, in], W [out, in], b [out] → [n, out]. */
export const linear = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
  gemm(x, weight, { transposeB: true, ...(bias ? { bias } : {}) });

/** scale · A(ᵀ)·B(ᵀ) over the last two axes; the axes before them broadcast. */
export function matmul(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, scale = 1 }: ProductOptions & { readonly scale?: number } = {},
): Tensor {
  expect("matmul", "float32", a, b);
  if (a.rank < 2 || b.rank < 2) throw new TraceError(`matmul: expects matrices, got ${show(a.shape)} and ${show(b.shape)}`);
  const [sa, sb] = [swap(a.shape, transposeA), swap(b.shape, transposeB)];
  if (sa.at(-1) !== sb.at(-2)) throw new TraceError(`matmul: inner extents differ: ${show(sa)} and ${show(sb)}`);
  const shape = [...broadcast("matmul", sa.slice(0, -2), sb.slice(0, -2), [sa, sb]), sa.at(-2)!, sb.at(-1)!];
  const plain = !transposeA && !transposeB && scale === 1;
  return apply(
    plain ? "MatMul" : "FusedMatMul",
    [a, b],
    { dtype: "float32", shape },
    ([d]) => [
      unbroadcast(
        transposeA ? matmul(b, d!, { transposeA: transposeB, transposeB: true, scale }) : matmul(d!, b, { transposeB: !transposeB, scale }),
        a.shape,
      ),
      unbroadcast(
        transposeB ? matmul(d!, a, { transposeA: true, transposeB: transposeA, scale }) : matmul(a, d!, { transposeA: !transposeA, scale }),
        b.shape,
      ),
    ],
    plain ? {} : { transA: { int: Number(transposeA) }, transB: { int: Number(transposeB) }, alpha: { float: scale } },
    plain ? "" : "com.microsoft",
  );
}
