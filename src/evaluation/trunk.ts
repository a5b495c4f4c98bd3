/** What differs between models on their common trunk, read from their configurations. */
import type { ModelConfig } from "../objectives/sedd-config.ts";

const properties: readonly ((config: ModelConfig) => string)[] = [
  ({ sedd: { network } }) => (network.causal ? "attention to what is left" : "attention to both sides"),
  ({ sedd: { network } }) => (network.conditioning > 0 ? `told σ, through ${network.conditioning} numbers and gates` : "not told σ"),
  ({ sedd: { network, graph } }) => `${network.states.toLocaleString("en-US")} states${graph === "absorb" ? ", one of them no token" : ""}`,
  ({ sedd: { parameterization } }) => (parameterization === "normalized" ? "head a softmax" : "head free scores"),
  ({ sedd: { noise, objective } }) => (objective === undefined ? `${noise.kind} noise` : "no noise schedule"),
  ({ sedd: { network } }) => `${network.layers} layers of ${network.hidden}, ${network.heads} heads`,
  ({ length }) => `windows of ${length}`,
];

/** Of each model, in the order given: those of its properties that are not the same in all. */
export const trunkDifferences = (configs: readonly ModelConfig[]): string[] => {
  const differing = properties.filter((property) => new Set(configs.map(property)).size > 1);
  return configs.map((config) => differing.map((property) => property(config)).join("; ") || "nothing");
};
