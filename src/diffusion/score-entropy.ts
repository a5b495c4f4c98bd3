/**
 * The score entropy at one position, plain and in float64 (the traced float32 twin is what training differentiates; a test equates them).
 *   SE = π(x) Σ_{y≠x} [ s_y − r_y log s_y + K(r_y) ],   K(a) = a (log a − 1),   r_y = p(y|x0) / p(x|x0)
 * It is 0 where s = r and positive elsewhere. With E = e^σ − 1 (always by expm1) the ratios are, for any limit law π,
 *   x = x0:  r_y = E π(y) / (1 + E π(x));     x ≠ x0:  r_{x0} = (1/E + π(x0)) / π(x),  r_y = π(y) / π(x) for the others,
 * with no difference of near-equal numbers at any σ. Lou, Meng, Ermon 2024, definition 3.1 and equation 10.
 */
import type { Graph } from "./graph.ts";

/** r_y = p(y|x0)/p(x|x0) at y = x0 (meaningless, and unused, where x = x0) and at every other y ≠ x. Needs π(x) > 0. */
export function ratios(graph: Graph, sigma: number, x: number, x0: number): { atClean: number; elsewhere: number } {
  const { here, elsewhere } = graph.pull;
  const e = Math.expm1(sigma);
  if (x === x0) return { atClean: 1, elsewhere: (e * elsewhere) / (1 + e * here) };
  return { atClean: (1 / e + elsewhere) / here, elsewhere: elsewhere / here };
}

/**
 * Score entropy at one position, in nats (not weighted by dσ/dt).
 *
 * @param logScore [S] log-scores at the position; the entry at `x` is ignored
 * @param x the noisy state, `x0` the clean token
 */
export function scoreEntropy(graph: Graph, logScore: ArrayLike<number>, sigma: number, x: number, x0: number): number {
  const weight = graph.limit(x);
  if (weight === 0) return 0;
  const r = ratios(graph, sigma, x, x0);
  let sum = 0;
  for (let y = 0; y < graph.states; y++) if (y !== x) sum += divergence(logScore[y]!, y === x0 ? r.atClean : r.elsewhere);
  return weight * sum;
}

/**
 * What the absorbing graph's score entropy at a MASK is a multiple of, from two numbers. With h = s·(e^σ − 1), whose exact value is a probability,
 *   SE = Σ s − log s_{x0}/E + K(1/E) = (Σh − log h_{x0} − 1) / E,
 * and this is the bracket: at a normalised score, the cross-entropy −log h_{x0}.
 *
 * @param sum Σ_{y≠MASK} s_y
 * @param logAtClean log s_{x0}
 */
export function maskedExcess(sum: number, logAtClean: number, sigma: number): number {
  const e = Math.expm1(sigma);
  return sum * e - (logAtClean + Math.log(e)) - 1;
}

/** s − r log s + K(r) = r (e^d − 1 − d) with d = log(s/r): written so that it neither cancels near s = r nor overflows far from it. */
function divergence(logScore: number, r: number): number {
  if (r === 0) return Math.exp(logScore);
  const d = logScore - Math.log(r);
  return Math.abs(d) < 1 ? r * (Math.expm1(d) - d) : Math.exp(logScore) - r * (1 + d);
}
