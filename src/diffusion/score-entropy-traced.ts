/**
 * The score entropy at MASKs as a traced program, in float32 and differentiable: what training minimises. Its plain twin in float64 is
 * score-entropy.ts; a test equates them. What depends on σ alone comes in as numbers per row, computed in float64.
 */
import { add, exp, logSumExp, mul, pick, reduceSum, reshape, sub, sum, type Tensor } from "../tensor/index.ts";

/** How a network's logits give log-scores at a MASK. `score`: shifted by a number that depends on σ (the paper's). `normalized`: log-softmax − log(e^σ−1) (Ou et al. 2024). */
export type Parameterization = "score" | "normalized";

/** Numbers per row of the loss, each [rows] float32. A row with weight 0 (padding) has pull 0, shift −1e30, rest 0. */
export interface RowNumbers {
  /** `score`: log σ' + the log-score of a zero logit; unused by `normalized`. */
  readonly shift: Tensor;
  /** σ' r, r = 1/(e^σ−1). */
  readonly pull: Tensor;
  /** What remains, independent of the network. */
  readonly rest: Tensor;
}

/**
 * Σ over rows of σ'·SE, with SE = Σ_{y≠MASK} s_y − r log s_{x0} + K(r).
 * `score`: log s = logits + c, so σ'SE = Σ e^{logits + shift} − pull·logit_{x0} + rest with rest = σ'(K(r) − r c).
 * `normalized`: Σ s = r, so σ'SE = pull·(logsumexp(logits) − logit_{x0}) and rest = 0.
 *
 * @param logits [rows, states], −1e30 at MASK; `clean` [rows] int32, the tokens x0
 */
export function maskedScoreEntropyTraced(
  parameterization: Parameterization,
  logits: Tensor,
  clean: Tensor,
  { shift, pull, rest }: RowNumbers,
): Tensor {
  const rows = clean.shape[0]!;
  const column = (x: Tensor): Tensor => reshape(x, [rows, 1]);
  const atClean = pick(logits, clean);
  if (parameterization === "normalized") return sum(mul(column(pull), sub(logSumExp(logits), atClean)));
  const positive = reduceSum(exp(add(logits, column(shift))), [1]);
  return sum(add(sub(positive, mul(column(pull), atClean)), column(rest)));
}

/** {@link RowNumbers} of one row in float64. `offset`: the log-score of a zero logit. */
export function rowNumbers(
  parameterization: Parameterization,
  sigma: number,
  rate: number,
  offset: number,
): { shift: number; pull: number; rest: number } {
  const r = 1 / Math.expm1(sigma);
  const pull = rate * r;
  if (parameterization === "normalized") return { shift: 0, pull, rest: 0 };
  return { shift: Math.log(rate) + offset, pull, rest: pull * (Math.log(r) - 1 - offset) };
}
