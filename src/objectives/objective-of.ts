/** The objective that a configuration names. */
import { anyOrder } from "./any-order.ts";
import { leftToRight } from "./left-to-right.ts";
import { maskedLanguageModel } from "./masked-lm.ts";
import type { Objective } from "./objective.ts";
import { seddObjective, type SeddConfig } from "./sedd.ts";

const withoutNoise = { mlm: maskedLanguageModel, ardm: anyOrder, ar: leftToRight } as const;

export const objectiveOf = (config: SeddConfig): Objective =>
  config.objective === undefined ? seddObjective(config) : withoutNoise[config.objective](config.network);
