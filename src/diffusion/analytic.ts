/**
 * Analytic (Tweedie) step from noise σ_t to σ_s, Δ = σ_t − σ_s, each position by itself:
 *   p(y) ∝ [exp(−ΔQ) s]_y · exp(ΔQ)(x, y),   s_x = 1.
 * With Q = π𝟙ᵀ − I, Σ = Σ_{y≠x} s_y and a position that can move:
 *   p(y) = (e^Δ s_y − (e^Δ−1)(1+Σ) π(y)) · (1−e^{−Δ}) π(x)                            for y ≠ x
 *   p(x) = (e^Δ − (e^Δ−1)(1+Σ) π(x)) · (e^{−Δ} + (1−e^{−Δ}) π(x))
 * Absorb at a MASK: y with (e^Δ−1) s_y, stay with 1 − (e^Δ−1) Σ. Exact for one position; positions move independently, which is the sampler's only
 * error. Lou, Meng, Ermon 2024, theorem 4.1.
 */
import type { Graph } from "./graph.ts";
import type { Law } from "./law.ts";

/** The law of an analytic step that removes noise `delta` > 0. */
export function analyticLaw(graph: Graph, delta: number): Law {
  const { here, elsewhere } = graph.pull;
  // Weights count relative to one another alone: where e^Δ is no float64 any more (Δ > 709.7), all are divided by it.
  const [one, grow] = delta < 700 ? [1, Math.expm1(delta)] : [0, 1];
  const shrink = -Math.expm1(-delta);
  // Both factors of p(x) around 1, so that absorb (π(x) = 1) gets exactly 1 − (e^Δ−1) Σ.
  const arrive = 1 - shrink * (1 - here);
  return {
    graph,
    gain: grow * here,
    drain: grow * shrink * here * elsewhere,
    stay: (sum) => (one + grow * (1 - here - sum * here)) * arrive,
    leaves: false,
  };
}
