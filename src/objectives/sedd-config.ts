/**
 * A model's configuration as `config.json` has it: the official code's keys, and beside them those that it lacks: `parameterization`, `objective` where that
 * is not score entropy, `loss`.
 */
import { z } from "zod";
import { noiseFrom, type NoiseConfig } from "../diffusion/noise.ts";
import { UserError } from "../platform/errors.ts";
import { objectiveKinds } from "./objective.ts";
import { graphOf, mismatch, networkFor, type SeddConfig } from "./sedd.ts";

/** No tensor has the length as a size, so that nothing else bounds it. */
export const MOST_LENGTH = 2 ** 20;
/** Bounded, since parameters are listed block by block before they are compared with the weights. */
export const MOST_BLOCKS = 4096;

const schema = z.object({
  /** V. */
  tokens: z.int().positive(),
  graph: z.object({ type: z.enum(["absorb", "uniform"]) }),
  noise: z.object({
    type: z.enum(["loglinear", "geometric"]),
    sigma_min: z.number().optional(),
    sigma_max: z.number().optional(),
    eps: z.number().optional(),
  }),
  model: z.object({
    hidden_size: z.int().positive(),
    /** 0 for an objective that knows no σ. */
    cond_dim: z.int().min(0),
    length: z.int().positive().max(MOST_LENGTH),
    n_blocks: z.int().positive().max(MOST_BLOCKS),
    n_heads: z.int().positive(),
    scale_by_sigma: z.boolean(),
    dropout: z.number().min(0).lt(1).default(0),
  }),
  parameterization: z.enum(["score", "normalized"]).default("score"),
  objective: z.enum(objectiveKinds).default("sedd"),
  loss: z.literal("l2").optional(),
});

/** A model's configuration and the length it was trained at. */
export interface ModelConfig {
  readonly sedd: SeddConfig;
  readonly length: number;
  /** The longest text, where the network has no positions beyond it; left out: {@link LENGTH_LIMIT} lengths. */
  readonly longest?: number;
  /** Tokens that are no part of a text, so that no sampler writes them. */
  readonly unwritten?: readonly number[];
}

/** The longest sequence that a model is run at, in model lengths: rotary positions beyond it were never near any it has seen. */
const LENGTH_LIMIT = 8;

export const longestOf = ({ length, longest = LENGTH_LIMIT * length }: ModelConfig): number => longest;
/** Where the longest length comes from, for errors. */
export const longestReason = ({ length, longest }: ModelConfig): string =>
  longest === undefined ? `${LENGTH_LIMIT} × its own ${length}` : "as many as its network has positions for";

export function readSeddConfig(json: unknown, where: string): ModelConfig {
  const result = schema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0]!;
    throw new UserError(`${where}: ${issue.path.join(".")}: ${issue.message}; expected the configuration of a SEDD model`);
  }
  const { tokens, graph, noise, model, parameterization, objective: kind, loss } = result.data;
  const objective = kind === "sedd" ? undefined : kind;
  if (model.hidden_size % (2 * model.n_heads) !== 0)
    throw new UserError(`${where}: model.hidden_size: ${model.hidden_size} must be a multiple of twice model.n_heads (${model.n_heads})`);
  if ((model.cond_dim === 0) !== (objective !== undefined))
    throw new UserError(`${where}: model.cond_dim: ${model.cond_dim} will not do for objective "${kind}"; score entropy alone is told σ`);
  const wrong = mismatch({ graph: graph.type, parameterization, scaleBySigma: model.scale_by_sigma, objective, loss });
  if (wrong) throw new UserError(`${where}: ${wrong.key === "scaleBySigma" ? "model.scale_by_sigma" : wrong.key}: ${wrong.why}`);
  const schedule: NoiseConfig =
    noise.type === "loglinear"
      ? { kind: "loglinear", eps: noise.eps ?? 1e-3 }
      : { kind: "geometric", sigmaMin: noise.sigma_min ?? 1e-5, sigmaMax: noise.sigma_max ?? 20 };
  try {
    noiseFrom(schedule);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: noise: ${error.message}`) : error;
  }
  return {
    length: model.length,
    sedd: {
      network: networkFor(
        {
          hidden: model.hidden_size,
          layers: model.n_blocks,
          heads: model.n_heads,
          conditioning: model.cond_dim,
          dropout: model.dropout,
        },
        tokens,
        { graph: graph.type, objective },
      ),
      graph: graph.type,
      noise: schedule,
      parameterization,
      scaleBySigma: model.scale_by_sigma,
      ...(objective ? { objective } : {}),
      ...(loss ? { loss } : {}),
    },
  };
}

export function writeSeddConfig({ sedd, length }: ModelConfig): object {
  const { network, graph, noise, parameterization, scaleBySigma, objective, loss } = sedd;
  return {
    tokens: graphOf(sedd).vocabularySize,
    graph: { type: graph },
    noise:
      noise.kind === "loglinear"
        ? { type: "loglinear", eps: noise.eps }
        : { type: "geometric", sigma_min: noise.sigmaMin, sigma_max: noise.sigmaMax },
    model: {
      type: "ddit",
      hidden_size: network.hidden,
      cond_dim: network.conditioning,
      length,
      n_blocks: network.layers,
      n_heads: network.heads,
      scale_by_sigma: scaleBySigma,
      dropout: network.dropout,
    },
    parameterization,
    ...(objective ? { objective } : {}),
    ...(loss ? { loss } : {}),
  };
}
