/**
 * Muon's orthogonalisation (Jordan et al. 2024): a matrix X → an approximation of U Vᵀ of its singular value decomposition, by five steps of
 * the Newton–Schulz iteration X ← p(A) X with A = X Xᵀ, p(A) = a I + b A + c A². Every step multiplies by a polynomial in the same A, so the
 * iteration runs on the small symmetric Gram matrix alone: P ← p(A) P, A ← p(A) A p(A), and X is touched twice, in A = X Xᵀ and in P X.
 */
import {
  add,
  compile,
  constant,
  div,
  gemm,
  matmul,
  mul,
  reduceSum,
  reshape,
  sqrt,
  trace,
  type CompileOptions,
  type Executable,
  type ParameterView,
  type Tensor,
} from "../tensor/index.ts";

/** Coefficients and number of steps of the reference implementation. */
const [A, B, C] = [3.4445, -4.775, 2.0315];
const STEPS = 5;

/** Orthogonalised x [n, rows, columns], each of the n matrices by itself. */
export function orthogonalize(x: Tensor): Tensor {
  const [n, rows, columns] = x.shape as [number, number, number];
  if (n === 1) return reshape(orthogonalizeOne(reshape(x, [rows, columns])), x.shape);
  const wide = rows <= columns;
  const gram = matmul(x, x, wide ? { transposeB: true } : { transposeA: true });
  const product = polynomial(gram, [1, 2], (a, b, c, scale, bias) => add(matmul(a, b, { scale }), mul(c, bias)));
  return wide ? matmul(product, x) : matmul(x, product);
}

/** The same of one matrix, where sums of products are single operations. */
function orthogonalizeOne(x: Tensor): Tensor {
  const wide = x.shape[0]! <= x.shape[1]!;
  const gram = gemm(x, x, wide ? { transposeB: true } : { transposeA: true });
  const product = polynomial(gram, [0, 1], (a, b, c, scale, biasScale) => gemm(a, b, { scale, bias: c, biasScale }));
  return wide ? gemm(product, x) : gemm(x, product);
}

/**
 * P(G)/√‖G‖ of Gram matrices, ‖·‖ being the trace: ‖X‖² = ‖X Xᵀ‖.
 *
 * @param axes the matrices' axes
 * @param sum (a, b, c, α, β) ↦ α a·b + β c
 */
function polynomial(gram: Tensor, axes: number[], sum: (a: Tensor, b: Tensor, c: Tensor, alpha: number, beta: number) => Tensor): Tensor {
  const side = gram.shape.at(-1)!;
  const eye = constant(
    Float32Array.from({ length: side * side }, (_, i) => (i % (side + 1) === 0 ? 1 : 0)),
    gram.rank === 2 ? [side, side] : [1, side, side],
  );
  const norm2 = add(reduceSum(mul(gram, eye), axes), 1e-14);
  let a = div(gram, norm2);
  let product: Tensor | undefined;
  for (let step = 1; step <= STEPS; step++) {
    // p(a) = A·1 + rest: the multiple of the identity goes into the sums, so that p itself is needed once.
    const rest = sum(a, a, a, C, B);
    product = product ? sum(rest, product, product, 1, A) : add(mul(eye, A), rest);
    if (step === STEPS) break;
    const half = sum(rest, a, a, 1, A);
    a = sum(rest, half, half, 1, A);
  }
  return div(product!, sqrt(norm2));
}

/**
 * Compiles the orthogonalisation of the named matrices: inputs and outputs go by the parameters' names. A matrix may be cut into blocks of `block` rows (the
 * outputs of one attention head, say), each orthogonalised by itself; block 0: the whole matrix.
 */
export function compileMuon(views: readonly ParameterView[], block: number, options: CompileOptions): Promise<Executable> {
  const signature = Object.fromEntries(views.map(({ name, shape }) => [name, { dtype: "float32", shape } as const]));
  return compile(
    trace(signature, (inputs: Record<string, Tensor>) =>
      Object.fromEntries(
        views.map(({ name, shape }) => {
          const [rows, columns] = shape as [number, number];
          const n = blockCount(rows, block);
          return [`orthogonal:${name}`, reshape(orthogonalize(reshape(inputs[name]!, [n, rows / n, columns])), [rows, columns])];
        }),
      ),
    ),
    options,
  );
}

/** How many blocks the rows are cut into. */
const blockCount = (rows: number, block: number): number => (block > 0 && rows > block && rows % block === 0 ? rows / block : 1);

/** The factor on an orthogonalised update that gives it about AdamW's size: 0.2·√(larger side), of a block where there are (Liu et al. 2025). */
export function updateScale(shape: readonly number[], block = 0): number {
  const [rows, columns] = shape as [number, number];
  return 0.2 * Math.sqrt(Math.max(rows / blockCount(rows, block), columns));
}
