/**
 * The final denoise, which removes all the noise σ that is left: the analytic step with Δ = σ, MASK excluded,
 *   p(y) ∝ [exp(−σQ) s]_y · exp(σQ)(x, y),   y ≠ MASK.
 * Absorb at a MASK: p(y) = (e^σ−1) s_y, and there is no staying.
 */
import { analyticLaw } from "./analytic.ts";
import type { Graph } from "./graph.ts";
import type { Law } from "./law.ts";

/** The law of the final denoise at noise `sigma`. */
export function denoiseLaw(graph: Graph, sigma: number): Law {
  const law = analyticLaw(graph, sigma);
  return graph.mask === undefined ? law : { ...law, stay: () => 0, leaves: true };
}
