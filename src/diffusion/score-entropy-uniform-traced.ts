/**
 * The score entropy of the uniform graph as a traced program, in float32 and differentiable: what training minimises. Its plain twin in float64 is
 * score-entropy.ts; a test equates them. Each term is written by d_y = log s_y − log r_y, r_y = p(y|x0)/p(x|x0):
 *   V · SE = Σ_{y≠x} r_y (e^{d_y} − 1 − d_y),
 * where all r_y are one number r but for y = x0 ≠ x. So no total is the difference of two totals: near s = r terms are small one by one, and far
 * from it none is lost beside another. The ratios, r = E/(E+V) at an untouched token and 1 and 1 + V/E at another (E = e^σ − 1), come in as numbers
 * per row, computed in float64; formed in float32 they would be wrong below σ ≈ 0.3 at 50,257 tokens.
 */
import { add, concat, exp, matmul, mul, ones, pick, replaceAt, reshape, sub, sum, type Tensor } from "../tensor/index.ts";
import type { Graph } from "./graph.ts";
import { ratios } from "./score-entropy.ts";

/** What the loss of a row takes from its σ and from whether its token was moved. */
export interface UniformNumbers<T = number> {
  /** log r at every y but x and x0. */
  readonly logRest: T;
  /** σ' r / V. */
  readonly restWeight: T;
  /** log r at x0, where x ≠ x0; else so large that nothing is left of the logit. */
  readonly logClean: T;
  /** σ' r_{x0} / V; 0 where x = x0. */
  readonly cleanWeight: T;
}

/** In the place of a logarithm whose term is weighed with 0, whatever the logit: e^{−1e30} is 0, where e^logit may overflow, and ∞ · 0 is no number. */
const NOTHING = 1e30;

/**
 * Σ over rows of σ'·SE.
 *
 * @param logScore [rows, V] log-scores; what stands at x is not read
 * @param noisy [rows] int32, the tokens x; `clean` [rows] int32, the tokens x0
 * @param numbers each [rows] float32: {@link uniformNumbers} of every row
 */
export function uniformScoreEntropyTraced(logScore: Tensor, noisy: Tensor, clean: Tensor, numbers: UniformNumbers<Tensor>): Tensor {
  const rows = clean.shape[0]!;
  const column = (x: Tensor): Tensor => reshape(x, [rows, 1]);
  const excess = (d: Tensor): Tensor => sub(sub(exp(d), 1), d);
  // d = 0 adds nothing, and gets no gradient: so x is left out, and x0, which has its own ratio.
  const others = replaceAt(sub(logScore, column(numbers.logRest)), concat([column(noisy), column(clean)], 1), 0);
  // As a product the sum is made in blocks: a plain float32 sum of 50,257 terms is off by up to 1e-5 (1e-4 in WASM) and takes as long.
  const total = matmul(excess(others), ones([logScore.shape[1]!, 1]));
  const atClean = sub(pick(logScore, clean), column(numbers.logClean));
  return sum(add(mul(column(numbers.restWeight), total), mul(column(numbers.cleanWeight), excess(atClean))));
}

/** The numbers of one row, in float64. `rate`: σ'; `moved`: whether x ≠ x0. */
export function uniformNumbers(graph: Graph, sigma: number, rate: number, moved: boolean): UniformNumbers {
  const r = ratios(graph, sigma, 0, moved ? 1 : 0);
  const weight = rate * graph.pull.here;
  // Far from s = r what counts is r e^d = s: the weight is that of the logarithm as float32 rounds it, and s comes out unshifted.
  const logRest = Math.fround(Math.log(r.elsewhere));
  const rest = { logRest, restWeight: weight * Math.exp(logRest) };
  return moved
    ? { ...rest, logClean: Math.log(r.atClean), cleanWeight: weight * r.atClean }
    : { ...rest, logClean: NOTHING, cleanWeight: 0 };
}
