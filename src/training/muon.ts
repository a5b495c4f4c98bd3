/**
 * Muon's orthogonalisation (Jordan et al. 2024): a matrix X → an approximation of U Vᵀ of its singular value decomposition, by five steps of
 * the Newton–Schulz iteration X ← p(A) X with A = X Xᵀ, p(A) = c₀ I + c₁ A + c₂ A². Every step multiplies by a polynomial in the same A, so the
 * iteration runs on the small symmetric Gram matrix alone: P ← p(A) P, A ← p(A) A p(A), and X is touched twice, in A = X Xᵀ and in P X.
 */
import {
  add,
  compile,
  concat,
  constant,
  div,
  inputsOf,
  matmul,
  mul,
  reduceSum,
  reshape,
  split,
  sqrt,
  trace,
  type CompileOptions,
  type Executable,
  type ParameterView,
  type Tensor,
} from "../tensor/index.ts";

/** c₀, c₁, c₂ and the number of steps of the reference implementation. */
const [CONSTANT, LINEAR, QUADRATIC] = [3.4445, -4.775, 2.0315];
const STEPS = 5;

/** Orthogonalised x [n, rows, columns], each of the n matrices by itself. */
export const orthogonalize = (x: Tensor): Tensor => orthogonalizeAll([x])[0]!;

/** The same of several x whose smaller sides are equal: their Gram matrices go through the iteration as one batch. */
function orthogonalizeAll(xs: readonly Tensor[]): Tensor[] {
  const grams = xs.map((x) => matmul(x, x, isWide(x) ? { transposeB: true } : { transposeA: true }));
  const products = split(
    polynomial(concat(grams, 0)),
    0,
    grams.map(({ shape }) => shape[0]!),
  );
  return xs.map((x, i) => (isWide(x) ? matmul(products[i]!, x) : matmul(x, products[i]!)));
}

const isWide = ({ shape }: Tensor): boolean => shape.at(-2)! <= shape.at(-1)!;

/** P(G)/√‖G‖ of Gram matrices [n, side, side], ‖·‖ being the trace: ‖X‖² = ‖X Xᵀ‖. */
function polynomial(gram: Tensor): Tensor {
  const side = gram.shape.at(-1)!;
  const eye = constant(
    Float32Array.from({ length: side * side }, (_, i) => (i % (side + 1) === 0 ? 1 : 0)),
    [1, side, side],
  );
  const norm2 = add(reduceSum(mul(gram, eye), [1, 2]), 1e-14);
  let a = div(gram, norm2);
  let scale = 1; // The A of the iteration is scale·a.
  let product: Tensor | undefined;
  for (let step = 1; step <= STEPS; step++) {
    // p(A) = c₀ (I + rest): with the constant term divided out, its share of a product is an addition.
    const rest = add(matmul(a, a, { scale: (QUADRATIC * scale ** 2) / CONSTANT }), mul(a, (LINEAR * scale) / CONSTANT));
    product = product ? add(matmul(rest, product), product) : add(eye, rest);
    if (step === STEPS) break;
    const half = add(matmul(rest, a), a);
    a = add(matmul(rest, half), half);
    scale *= CONSTANT ** 2;
  }
  return mul(div(product!, sqrt(norm2)), CONSTANT ** STEPS);
}

/**
 * Compiles the orthogonalisation of the named matrices: inputs and outputs go by the parameters' names. A matrix may be cut into blocks of `block` rows (the
 * outputs of one attention head, say), each orthogonalised by itself; block 0: the whole matrix.
 */
export function compileMuon(views: readonly ParameterView[], block: number, options: CompileOptions): Promise<Executable> {
  const batches = batchesOf(views, block);
  return compile(
    trace(inputsOf(views), (inputs: Record<string, Tensor>) => {
      const outputs: Record<string, Tensor> = {};
      for (const batch of batches) {
        const parts = batch.map(({ name, shape }) => reshape(inputs[name]!, cut(shape, block)));
        orthogonalizeAll(parts).forEach((part, i) => (outputs[`orthogonal:${batch[i]!.name}`] = reshape(part, batch[i]!.shape)));
      }
      return outputs;
    }),
    options,
  );
}

/** The most numbers in the Gram matrices of one batch: 1 MB, which stays in a core's cache. */
const BATCH = 2 ** 18;

/** Matrices whose iterations run as one: those with the same smaller side, as long as they fit. */
function batchesOf(views: readonly ParameterView[], block: number): ParameterView[][] {
  const batches: { side: number; numbers: number; views: ParameterView[] }[] = [];
  for (const view of views) {
    const [count, rows, columns] = cut(view.shape, block);
    const side = Math.min(rows, columns);
    const numbers = count * side ** 2;
    const open = batches.find((batch) => batch.side === side && batch.numbers + numbers <= BATCH);
    if (open) {
      open.numbers += numbers;
      open.views.push(view);
    } else batches.push({ side, numbers, views: [view] });
  }
  return batches.map((batch) => batch.views);
}

/** [blocks, rows of a block, columns]. */
function cut(shape: readonly number[], block: number): [number, number, number] {
  const [rows, columns] = shape as [number, number];
  const n = blockCount(rows, block);
  return [n, rows / n, columns];
}

/** How many blocks the rows are cut into. */
const blockCount = (rows: number, block: number): number => (block > 0 && rows > block && rows % block === 0 ? rows / block : 1);

/** The factor on an orthogonalised update that gives it about AdamW's size: 0.2·√(larger side), of a block where there are (Liu et al. 2025). */
export function updateScale(shape: readonly number[], block = 0): number {
  const [rows, columns] = shape as [number, number];
  return 0.2 * Math.sqrt(Math.max(rows / blockCount(rows, block), columns));
}
