/**
 * The ℓ2 concrete-score loss at MASKs as a traced program (Meng et al. 2022; Lou et al. 2024, section 3.1): the loss that score entropy replaces, for
 * comparison. With the ratios r_y = p(y|x0)/p(MASK|x0) of score entropy, which are r = 1/(e^σ−1) at x0 and 0 elsewhere,
 *   ½ Σ_{y≠MASK} (s_y − r_y)² = ½ r² Σ_y (h_y − [y = x0])²,   h = s (e^σ−1).
 * Its minimum is the concrete score too, but nothing keeps a score positive, and errors weigh as the square of a ratio that is 1/σ.
 */
import { add, exp, logSumExp, mul, pick, reduceSum, replaceAt, reshape, sub, sum, type Tensor } from "../tensor/index.ts";
import type { Parameterization } from "./score-entropy-traced.ts";

/**
 * Σ over rows of weight · Σ_y (h_y − [y = x0])², `weight` being σ' r²/2 (0 in padding).
 *
 * @param logits [rows, states], −1e30 at MASK; `clean` [rows] int32, the tokens x0
 * @param numbers each [rows]: `shift`, log h of a zero logit (`score` alone), and `weight`
 */
export function maskedSquaredErrorTraced(
  parameterization: Parameterization,
  logits: Tensor,
  clean: Tensor,
  { shift, weight }: { readonly shift: Tensor; readonly weight: Tensor },
): Tensor {
  const column = (x: Tensor): Tensor => reshape(x, [clean.shape[0]!, 1]);
  const h = exp(parameterization === "normalized" ? sub(logits, logSumExp(logits)) : add(logits, column(shift)));
  const rest = replaceAt(h, column(clean), 0);
  const miss = add(pick(h, clean), -1);
  return sum(mul(column(weight), add(reduceSum(mul(rest, rest), [1]), mul(miss, miss))));
}
