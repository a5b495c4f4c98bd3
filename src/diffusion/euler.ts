/**
 * Euler step of length Δt (τ-leaping), each position by itself:
 *   p(y) = δ_{xy} + Δt σ'(t) Q̄(y, x),   Q̄(y, x) = s_y Q(x, y) = s_y π(x) for y ≠ x,   Q̄(x, x) = −Σ_{y≠x} Q̄(y, x).
 * So y with Δt σ'(t) π(x) s_y, stay with 1 − Δt σ'(t) π(x) Σ. First order in Δt; p(x) falls below 0 (and is cut there) where the step is too long for the
 * score. Lou, Meng, Ermon 2024, section 4.2.
 */
import type { Graph } from "./graph.ts";
import type { Law } from "./law.ts";

/** The law of an Euler step; `amount` is Δt·σ'(t) > 0. */
export function eulerLaw(graph: Graph, amount: number): Law {
  const gain = amount * graph.pull.here;
  return { graph, gain, drain: 0, stay: (sum) => 1 - gain * sum, leaves: false };
}
