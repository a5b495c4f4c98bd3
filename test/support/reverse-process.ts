/**
 * The continuous-time reverse process of a score on a few positions, by enumeration: the law that it writes, and the exact value of the likelihood bound.
 * Nothing here uses a sampler or an estimator.
 *
 * The law p solves the master equation −dp/dσ = Q̄_σ p over all S^L states, where position i of a state x becomes y at rate s_y(x, i) π(x_i), from the limit law
 * at σ(1) down to σ(0), then the final denoise if σ(0) > 0. Under absorb it starts all-MASK at σ = ∞, the score beyond σ(1) being held:
 * s_y = h_y/(e^σ−1) with the h of σ(1). Time runs in a variable in which rates stay of order 1 at both ends: −log(1 − e^{−σ}) (absorb), −log(e^σ − 1) (uniform).
 */
import { denoiseLaw } from "../../src/diffusion/denoise.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { normalised, probabilities } from "../../src/diffusion/law.ts";
import type { Noise } from "../../src/diffusion/noise.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import type { DenseScore, ScoreModel } from "../../src/diffusion/score.ts";
import { propagate, space, startLaw } from "./oracle.ts";
import { gaussLegendre } from "./quadrature.ts";

export interface ReverseProcess {
  readonly graph: Graph;
  readonly length: number;
  readonly noise: Noise;
  /** Log-scores of every state at a σ, [S^L, L, S]; held above σ(1) under absorb. */
  rows(sigma: number): Promise<ArrayLike<number>>;
}

export function reverseProcess(score: DenseScore, graph: Graph, noise: Noise, length: number): ReverseProcess {
  const states = space(graph.states, length);
  const all = Int32Array.from(Array.from({ length: states.size }, (_, k) => [...states.at(k)]).flat());
  const asked = async (sigma: number) => score(all, new Float64Array(states.size).fill(sigma));
  const last = noise.sigma(1);
  const logExpm1 = (sigma: number) => sigma + Math.log(-Math.expm1(-sigma));
  let end: ReturnType<typeof asked> | undefined;
  return {
    graph,
    length,
    noise,
    async rows(sigma) {
      if (graph.mask === undefined || sigma <= last) return asked(sigma);
      return Float64Array.from(await (end ??= asked(last)), (l) => l + logExpm1(last) - logExpm1(sigma));
    },
  };
}

/** A network's score as a function of everything: whole rows at every position. */
export const denseOf =
  ({ evaluate }: ScoreModel): DenseScore =>
  async (tokens, sigma) => {
    const positions = Int32Array.from(tokens.keys());
    return (await evaluate(tokens, sigma, positions)).rows(positions);
  };

/**
 * The law over clean sequences [V^L] that the reverse process writes; what is still masked at the very end is left out.
 *
 * @param step of the fourth-order Runge–Kutta method; rates are below L, so that its error is about (L·step)^4/100. From v = 12 on, where less than 1e-5
 *   of the mass still moves, it is six times as long
 */
export async function reverseLaw(process: ReverseProcess, step: number): Promise<Float64Array> {
  const { graph, length, noise } = process;
  const states = space(graph.states, length);
  const absorbing = graph.mask !== undefined;
  const [late, early] = [noise.sigma(1), Math.max(noise.sigma(0), absorbing ? 1e-17 : 1e-9)];
  const clock = (sigma: number) => (absorbing ? -Math.log(-Math.expm1(-sigma)) : -Math.log(Math.expm1(sigma)));
  // −log(1 − e^{−v}), which keeps its digits at both ends.
  const sigmaAt = (v: number) =>
    absorbing ? (v < 0.7 ? -Math.log(-Math.expm1(-v)) : -Math.log1p(-Math.exp(-v))) : Math.log1p(Math.exp(-v));
  /** Every jump of one position that the graph allows: from state k to state `to`, by entry `entry` of the log-scores. */
  const jumps = Array.from({ length: states.size }, (_, k) =>
    [...states.at(k)].flatMap((x, i) =>
      graph.limit(x) === 0
        ? []
        : Array.from({ length: graph.states }, (__, y) => ({
            k,
            to: k + (y - x) * graph.states ** (length - 1 - i),
            entry: (k * length + i) * graph.states + y,
            logPull: Math.log(graph.limit(x)),
          })).filter(({ to }) => to !== k),
    ),
  ).flat();
  /** dp/dv of a law: rates in σ times −dσ/dv. */
  const flowAt = async (v: number) => {
    const sigma = sigmaAt(v);
    // The score times −dσ/dv: e^σ−1 under absorb (never beyond float64: only logarithms meet at σ = ∞), 1 − e^{−σ} under uniform.
    const atInfinity = absorbing && v === 0;
    const rows = await process.rows(atInfinity ? noise.sigma(1) : sigma);
    const pace = absorbing ? Math.log(Math.expm1(atInfinity ? noise.sigma(1) : sigma)) : Math.log(-Math.expm1(-sigma));
    const rates = jumps.map(({ entry, logPull }) => Math.exp(rows[entry]! + pace + logPull));
    return (p: Float64Array): Float64Array => {
      const out = new Float64Array(states.size);
      jumps.forEach(({ k, to }, j) => {
        const flow = p[k]! * rates[j]!;
        out[k]! -= flow;
        out[to]! += flow;
      });
      return out;
    };
  };
  const moved = (p: Float64Array, by: number, d: Float64Array) => p.map((value, k) => value + by * d[k]!);
  const walk = async (from: number, to: number, p: Float64Array, longest: number): Promise<Float64Array> => {
    const count = Math.max(1, Math.ceil((to - from) / longest));
    const h = (to - from) / count;
    let begin = await flowAt(from);
    for (let k = 0; k < count; k++) {
      const middle = await flowAt(from + (k + 0.5) * h);
      const end = await flowAt(from + (k + 1) * h);
      const a = begin(p);
      const b = middle(moved(p, h / 2, a));
      const c = middle(moved(p, h / 2, b));
      const d = end(moved(p, h, c));
      p = p.map((value, j) => value + (h / 6) * (a[j]! + 2 * b[j]! + 2 * c[j]! + d[j]!));
      begin = end;
    }
    return p;
  };
  let law = startLaw(graph, states);
  if (absorbing) law = await walk(0, clock(late), law, step);
  const [begin, end] = [clock(late), clock(early)];
  law = await walk(begin, Math.min(12, end), law, step);
  if (end > 12) law = await walk(12, end, law, 6 * step);
  if (noise.sigma(0) > 0) {
    const denoise = await denoiseAt(process);
    law = propagate(law, states, denoise);
  }
  const clean = space(graph.vocabularySize, length);
  return Float64Array.from({ length: clean.size }, (_, k) => law[states.index(clean.at(k))]!);
}

/** The final denoise at σ(0): the law [S] of position i of a state. */
async function denoiseAt({ graph, length, noise, rows }: ReverseProcess) {
  const states = space(graph.states, length);
  const all = await rows(noise.sigma(0));
  const law = denoiseLaw(graph, noise.sigma(0));
  return (state: number, i: number): Float64Array => {
    const begin = (state * length + i) * graph.states;
    const row = Array.prototype.slice.call(all, begin, begin + graph.states) as number[];
    return normalised(probabilities(law, states.at(state)[i]!, row));
  };
}

/** Nats of each clean sequence. */
export type BoundTerms = Readonly<Record<"integral" | "tail" | "prior" | "reconstruction", Float64Array>>;

export const totalBound = ({ integral, tail, prior, reconstruction }: BoundTerms): Float64Array =>
  integral.map((value, k) => value + tail[k]! + prior[k]! + reconstruction[k]!);

/** The bound's terms for every clean sequence, exactly: expectations by enumeration, integrals by Gauss–Legendre quadrature. */
export async function exactBound(process: ReverseProcess): Promise<BoundTerms> {
  const { graph, length, noise } = process;
  const states = space(graph.states, length);
  const clean = space(graph.vocabularySize, length);
  const texts = Array.from({ length: clean.size }, (_, k) => clean.at(k));
  const noisy = Array.from({ length: states.size }, (_, k) => states.at(k));
  const forward = (x0: Int32Array, x: Int32Array, sigma: number) =>
    x0.reduce((p, token, i) => p * graph.transition(token, sigma)[x[i]!]!, 1);
  const [sigma0, sigma1] = [noise.sigma(0), noise.sigma(1)];

  /** ∫ E[Σ_i SE] dσ; σ = from + (to − from) v^power, as the integrand has σ log σ at 0. */
  const integrate = async (from: number, to: number, power: number): Promise<Float64Array> => {
    const out = new Float64Array(texts.length);
    const panels = 8;
    for (let panel = 0; panel < panels; panel++)
      for (const [node, weight] of gaussLegendre(12)) {
        const v = (panel + (node + 1) / 2) / panels;
        const sigma = from + (to - from) * v ** power;
        const dsigma = ((to - from) * power * v ** (power - 1) * weight) / (2 * panels);
        const rows = await process.rows(sigma);
        const columns = Array.from({ length: graph.vocabularySize }, (_, token) => graph.transition(token, sigma));
        noisy.forEach((x, k) => {
          // SE of each position for each clean token, of which texts are made.
          const entropies = Array.from(x, (state, i) => {
            const begin = (k * length + i) * graph.states;
            const row = Array.prototype.slice.call(rows, begin, begin + graph.states) as number[];
            return columns.map((_, token) => scoreEntropy(graph, row, sigma, state, token));
          });
          texts.forEach((x0, j) => {
            let [p, se] = [1, 0];
            for (let i = 0; i < length; i++) {
              p *= columns[x0[i]!]![x[i]!]!;
              se += entropies[i]![x0[i]!]!;
            }
            if (p > 0) out[j]! += p * dsigma * se;
          });
        });
      }
    return out;
  };
  const none = () => new Float64Array(texts.length);
  const reconstruction = none();
  if (sigma0 > 0) {
    const denoise = await denoiseAt(process);
    for (let k = 0; k < states.size; k++)
      texts.forEach((x0, j) => {
        const p = forward(x0, states.at(k), sigma0);
        if (p > 0) x0.forEach((token, i) => (reconstruction[j]! -= p * Math.log(denoise(k, i)[token]!)));
      });
  }
  // KL(p_{1|0} ‖ 1/V) of a position as the sum that it is.
  const kl = graph.transition(0, sigma1).reduce((sum, p) => sum + (p > 0 ? p * Math.log(p * graph.vocabularySize) : 0), 0);
  return {
    integral: await integrate(sigma0, sigma1, 4),
    tail: graph.mask === undefined ? none() : await integrate(sigma1, sigma1 + 40, 1),
    prior: graph.mask === undefined ? none().fill(length * kl) : none(),
    reconstruction,
  };
}
