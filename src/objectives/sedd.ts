/**
 * Score-entropy discrete diffusion as a training objective: a time per sequence (stratified over the batch), corruption at σ(t), and the
 * score entropy weighted by dσ/dt (Lou, Meng, Ermon 2024, equation 11 and section 3.3). Only masked positions have a loss under absorb, so
 * the head, and the last block after its attention, run on those rows alone; under the uniform graph every position has one.
 */
import { absorb } from "../diffusion/absorb.ts";
import type { Graph } from "../diffusion/graph.ts";
import { noiseFrom, type NoiseConfig } from "../diffusion/noise.ts";
import { maskedScoreEntropyTraced, rowNumbers, type Parameterization } from "../diffusion/score-entropy-traced.ts";
import { maskedSquaredErrorTraced } from "../diffusion/squared-error-traced.ts";
import { uniformNumbers, uniformScoreEntropyTraced } from "../diffusion/score-entropy-uniform-traced.ts";
import { uniform } from "../diffusion/uniform.ts";
import { dditHead, dditParameters, dditTrunk, initializeDDiT, isHiddenMatrix, type DDiTConfig } from "../network/ddit.ts";
import { UserError } from "../platform/errors.ts";
import type { Random } from "../platform/random.ts";
import { Layout, reshape } from "../tensor/index.ts";
import { chosenRows } from "./chosen-rows.ts";
import { dropoutFeeds, dropoutInputs } from "./dropout.ts";
import type { BatchShape, Corruption, Objective, ObjectiveKind } from "./objective.ts";

/** A network and the score that it is read as. */
export interface SeddConfig {
  /** Of a published network that is no DDiT (published-model.ts): its sizes alone. */
  readonly network: DDiTConfig;
  readonly graph: Graph["kind"];
  readonly noise: NoiseConfig;
  readonly parameterization: Parameterization;
  /** Whether `score` subtracts log(e^σ−1) + log V from the logits: the official `scale_by_sigma`. Absorb only, as there. */
  readonly scaleBySigma: boolean;
  /** What the network is trained for, where it is not score entropy. Its softmax is read as a `normalized` score under absorb, which no σ moves. */
  readonly objective?: Exclude<ObjectiveKind, "sedd"> | undefined;
  /** Training by the ℓ2 concrete-score loss in place of score entropy. */
  readonly loss?: "l2" | undefined;
}

/** How networks that are not trained by score entropy are read as scores: p(token | what is seen) at a MASK. */
export const readAsScore = {
  graph: "absorb",
  noise: { kind: "loglinear", eps: 1e-3 },
  parameterization: "normalized",
  scaleBySigma: false,
} as const satisfies Partial<SeddConfig>;

/** The network of such sizes for a vocabulary, a graph and an objective. */
export const networkFor = (
  sizes: Omit<DDiTConfig, "states" | "causal">,
  vocabularySize: number,
  { graph, objective }: Pick<SeddConfig, "graph" | "objective">,
): DDiTConfig => ({
  ...sizes,
  states: graph === "absorb" ? vocabularySize + 1 : vocabularySize,
  ...(objective === "ar" ? { causal: true } : {}),
});

/** What of a configuration does not go together: the key and why its value will not do. */
export function mismatch({
  graph,
  parameterization,
  scaleBySigma,
  objective,
  loss,
}: Pick<SeddConfig, "graph" | "parameterization" | "scaleBySigma" | "objective" | "loss">):
  | { key: "graph" | "parameterization" | "scaleBySigma" | "loss"; why: string }
  | undefined {
  if (objective !== undefined) {
    const key = (["graph", "parameterization"] as const).find((name) => ({ graph, parameterization })[name] !== readAsScore[name]);
    return key && { key, why: `objective "${objective}" is read as a score with "${readAsScore[key]}" alone` };
  }
  if (graph !== "uniform") return undefined;
  if (loss === "l2") return { key: "loss", why: '"l2" is for graph "absorb" alone; give "score-entropy"' };
  if (parameterization !== "score")
    return {
      key: "parameterization",
      why: `"${parameterization}" needs the sum of the scores, known for graph "absorb" alone; give "score"`,
    };
  return scaleBySigma
    ? { key: "scaleBySigma", why: 'true is for graph "absorb" alone, whose scores are of size 1/(e^σ−1); give false' }
    : undefined;
}

/**
 * The graph of a model, over its network's states.
 *
 * @throws UserError where its parameterisation does not go with it
 */
export function graphOf(config: SeddConfig): Graph {
  const wrong = mismatch(config);
  if (wrong) throw new UserError(`${wrong.key}: ${wrong.why}`);
  return config.graph === "uniform" ? uniform(config.network.states) : absorb(config.network.states - 1);
}

/** Training draws t on [T_MIN, 1], as the official code does. */
export const T_MIN = 1e-3;

/** log(e^σ − 1). From σ = 709.8 on e^σ is no float64 any more. */
export const logExpm1 = (sigma: number): number => (sigma < 700 ? Math.log(Math.expm1(sigma)) : sigma + Math.log1p(-Math.exp(-sigma)));

/** log s_y − logit_y where it does not depend on the logits: 0 without σ-scaling, else −log(e^σ−1) − log V. */
export function logitOffset({ network, scaleBySigma }: SeddConfig, sigma: number): number {
  return scaleBySigma ? -logExpm1(sigma) - Math.log(network.states - 1) : 0;
}

export function seddObjective(config: SeddConfig): Objective {
  const { network, parameterization, loss } = config;
  const graph = graphOf(config);
  const noise = noiseFrom(config.noise);
  return {
    layout: new Layout(dditParameters(network)),
    measure: "bound",
    initialize: (random) => initializeDDiT(network, random),
    isHiddenMatrix,
    corrupt(tokens, shape, random, training, offset) {
      const times = stratifiedTimes(shape.batch, random, offset);
      const noisy = graph.corrupt(tokens, times.map(noise.sigma), random);
      return corruptionOf(config, tokens, noisy, times, shape, dropoutFeeds(network, shape, random, training));
    },
    lossInputs(shape, capacity, training) {
      const { batch, length } = shape;
      const [indices, numbers] = [{ dtype: "int32", shape: [capacity] } as const, { dtype: "float32", shape: [capacity] } as const];
      return {
        tokens: { dtype: "int32", shape: [batch, length] },
        sigma: { dtype: "float32", shape: [batch] },
        clean: indices,
        ...dropoutInputs(network, shape, training),
        ...(graph.mask === undefined
          ? { logRest: numbers, restWeight: numbers, logClean: numbers, cleanWeight: numbers }
          : {
              rows: indices,
              inverse: { dtype: "int32", shape: [batch * length] } as const,
              sequence: indices,
              pull: numbers,
              ...(parameterization === "score" ? { shift: numbers } : {}),
              ...(parameterization === "score" && loss === undefined ? { rest: numbers } : {}),
            }),
      };
    },
    loss(parameters, inputs) {
      const { tokens, sigma, clean, keep } = inputs;
      const given = { tokens: tokens!, sigma: sigma!, ...(keep ? { keep } : {}) };
      if (graph.mask === undefined) {
        const { logRest, restWeight, logClean, cleanWeight } = inputs;
        const logScore = dditHead(parameters, dditTrunk(parameters, network, given).output);
        return uniformScoreEntropyTraced(logScore, reshape(tokens!, clean!.shape), clean!, {
          logRest: logRest!,
          restWeight: restWeight!,
          logClean: logClean!,
          cleanWeight: cleanWeight!,
        });
      }
      const { rows, inverse, sequence, pull, shift = pull, rest = pull } = inputs;
      const selection = { rows: rows!, inverse: inverse!, sequence: sequence! };
      const logits = dditHead(parameters, dditTrunk(parameters, network, { ...given, selection }).output, graph.mask);
      if (loss === "l2") return maskedSquaredErrorTraced(parameterization, logits, clean!, { shift: shift!, weight: pull! });
      return maskedScoreEntropyTraced(parameterization, logits, clean!, { shift: shift!, pull: pull!, rest: rest! });
    },
  };
}

/**
 * One time a row, one row a stratum of [T_MIN, 1]: t_i = T_MIN + (1−T_MIN)(i+u)/batch with one u for all, which makes the mean of t over the
 * batch nearly constant and the share of masked tokens with it.
 */
export function stratifiedTimes(batch: number, random: Random, u = random.uniform()): Float64Array {
  return Float64Array.from({ length: batch }, (_, i) => T_MIN + ((1 - T_MIN) * (i + u)) / batch);
}

/** The loss program's feeds for given noisy tokens and times. */
export function corruptionOf(
  config: SeddConfig,
  tokens: Int32Array,
  noisy: Int32Array,
  times: Float64Array,
  shape: BatchShape,
  dropout: Corruption["feeds"] = {},
): Corruption {
  const graph = graphOf(config);
  const common = { tokens: noisy, sigma: Float32Array.from(times, noiseFrom(config.noise).sigma), ...dropout };
  if (graph.mask === undefined)
    return { feeds: { ...common, clean: tokens, ...uniformFeeds(config, graph, tokens, noisy, times) }, capacity: tokens.length };
  const { capacity, feeds } = maskedFeeds(config, graph.mask, tokens, noisy, times, shape);
  return { feeds: { ...common, ...feeds }, capacity };
}

/** The uniform graph's numbers of every position. */
function uniformFeeds(config: SeddConfig, graph: Graph, tokens: Int32Array, noisy: Int32Array, times: Float64Array): Corruption["feeds"] {
  const noise = noiseFrom(config.noise);
  const length = tokens.length / times.length;
  const perRow = Array.from(times, (t) => [false, true].map((moved) => uniformNumbers(graph, noise.sigma(t), noise.rate(t), moved)));
  const all = Array.from(tokens, (token, i) => perRow[Math.floor(i / length)]![Number(noisy[i] !== token)]!);
  const column = (key: keyof (typeof all)[number]): Float32Array => Float32Array.from(all, (numbers) => numbers[key]);
  return {
    logRest: column("logRest"),
    restWeight: column("restWeight"),
    logClean: column("logClean"),
    cleanWeight: column("cleanWeight"),
  };
}

/** Absorb: the masked positions, where each stands, and its numbers; for ℓ2 `pull` is σ' r²/2 and `shift` what it calls so. */
function maskedFeeds(
  config: SeddConfig,
  mask: number,
  tokens: Int32Array,
  noisy: Int32Array,
  times: Float64Array,
  shape: BatchShape,
): Corruption {
  const noise = noiseFrom(config.noise);
  const positions = [...noisy.keys()].filter((i) => noisy[i] === mask);
  const { capacity, feeds } = chosenRows(tokens, positions, shape);
  const [shift, pull, rest] = [new Float32Array(capacity).fill(-1e30), new Float32Array(capacity), new Float32Array(capacity)];
  const perRow = Array.from(times, (t) => {
    const sigma = noise.sigma(t);
    const offset = logitOffset(config, sigma);
    if (config.loss === "l2") return { shift: offset + logExpm1(sigma), pull: noise.rate(t) / 2 / Math.expm1(sigma) ** 2, rest: 0 };
    return rowNumbers(config.parameterization, sigma, noise.rate(t), offset);
  });
  positions.forEach((position, i) => {
    const row = perRow[Math.floor(position / shape.length)]!;
    [shift[i], pull[i], rest[i]] = [row.shift, row.pull, row.rest];
  });
  return { feeds: { ...feeds, shift, pull, rest }, capacity };
}
