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
  matmul,
  mul,
  reduceSum,
  reshape,
  sqrt,
  trace,
  transpose,
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
  const [, rows, columns] = x.shape as [number, number, number];
  const wide = rows <= columns;
  const side = Math.min(rows, columns);
  const eye = constant(
    Float32Array.from({ length: side * side }, (_, i) => (i % (side + 1) === 0 ? 1 : 0)),
    [1, side, side],
  );
  const gram = wide ? matmul(x, x, { transposeB: true }) : matmul(x, x, { transposeA: true });
  // ‖X‖² is the trace of the Gram matrix.
  const norm2 = add(reduceSum(mul(gram, eye), [1, 2]), 1e-14);
  let a = div(gram, norm2);
  let product: Tensor | undefined;
  for (let step = 1; step <= STEPS; step++) {
    const p = add(mul(eye, A), add(mul(a, B), mul(matmul(a, a), C)));
    product = product ? matmul(p, product) : p;
    if (step < STEPS) a = matmul(p, matmul(p, a));
  }
  const scaled = div(product!, sqrt(norm2));
  return wide ? matmul(scaled, x) : matmul(x, scaled);
}

/**
 * Compiles the orthogonalisation of the named matrices: inputs and outputs go by the parameters' names. A matrix may be cut into square-ish
 * blocks of `block` rows or columns of its longer side, each orthogonalised by itself (block 0: the whole matrix).
 */
export function compileMuon(views: readonly ParameterView[], block: number, options: CompileOptions): Promise<Executable> {
  const signature = Object.fromEntries(views.map(({ name, shape }) => [name, { dtype: "float32", shape } as const]));
  return compile(
    trace(signature, (inputs: Record<string, Tensor>) =>
      Object.fromEntries(
        views.map(({ name, shape }) => [`orthogonal:${name}`, blockwise(inputs[name]!, shape as [number, number], block)]),
      ),
    ),
    options,
  );
}

function blockwise(x: Tensor, [rows, columns]: [number, number], block: number): Tensor {
  const n = blockCount(Math.max(rows, columns), block);
  if (rows >= columns) {
    return reshape(orthogonalize(reshape(x, [n, rows / n, columns])), [rows, columns]);
  }
  const blocks = transpose(reshape(x, [rows, n, columns / n]), [1, 0, 2]);
  return reshape(transpose(orthogonalize(blocks), [1, 0, 2]), [rows, columns]);
}

/** How many blocks the longer side is cut into. */
const blockCount = (long: number, block: number): number => (block > 0 && long > block && long % block === 0 ? long / block : 1);

/** The factor on an orthogonalised update that gives it about AdamW's size: 0.2·√(larger side), of a block where there are (Liu et al. 2025). */
export function updateScale(shape: readonly number[], block = 0): number {
  const [long, short] = [Math.max(...shape), Math.min(...shape)];
  return 0.2 * Math.sqrt(Math.max(long / blockCount(long, block), short));
}
