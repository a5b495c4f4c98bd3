/** A synthetic report: every number is made up, by formulas that make the curves look like such curves; nothing here was measured. */
import { type Contestant, type Estimate, type Model, type Report, reportSchema } from "../../src/evaluation/report/schema.ts";

const e = (value: number, standardError: number): Estimate => ({ value, standardError });

/** −log p after training, how long training took, and how fast a step is: all invented. */
const invented = {
  "sedd-absorb": { nats: 4.412, kind: "bound", seconds: 5400, perStep: 0.011, floor: 62 },
  "sedd-uniform": { nats: 4.671, kind: "bound", seconds: 5520, perStep: 0.012, floor: 81 },
  mlm: { nats: 3.905, kind: "pseudo", seconds: 4980, perStep: 0.01, floor: 240 },
  ardm: { nats: 4.405, kind: "bound", seconds: 5350, perStep: 0.0105, floor: 64 },
  ar: { nats: 4.118, kind: "exact", seconds: 4700, perStep: 0.0031, floor: 66 },
  "sedd-l2": { nats: 5.624, kind: "bound", seconds: 5410, perStep: 0.011, floor: 410 },
} as const satisfies Record<Contestant, object>;

const STEPS = [4, 8, 16, 32, 64, 128, 256, 512];
const RATES = [0.05, 0.15, 0.3, 0.5, 0.7, 0.85, 1];
const TOKENS = 12_000_000;

function model(name: Contestant): Model {
  const { nats, kind, seconds, perStep, floor } = invented[name];
  const noise = kind === "exact" ? 0 : 0.006;
  const steps = name === "ar" ? [128] : STEPS;
  const perplexity = (k: number): Estimate => e(floor * (1 + (name === "ar" ? 0 : 14 / k)), floor * 0.03);
  const sees = name === "ar" ? { bothSides: { not: "left to right: what follows is not seen" } } : { bothSides: e(nats - 0.52, 0.031) };
  const maskedLoss = (rate: number): number => (name === "mlm" ? 2.2 + 5.4 * rate ** 2 : 2.5 + 3.4 * rate);
  return {
    parameters: 7_112_960,
    differs: name === "ar" ? "causal mask; no noise level" : name.startsWith("sedd") ? "the noise level is an input" : "no noise level",
    tokensSeen: TOKENS,
    trainingSeconds: seconds,
    likelihood: { protocol: "likelihood", kind, natsPerToken: e(nats, noise), bitsPerCharacter: e(nats / 2.26, noise / 2.26) },
    curve: {
      protocol: "validation",
      kind: kind === "pseudo" ? "masked cross-entropy" : kind,
      points: Array.from({ length: 12 }, (_, i) => ({
        tokens: ((i + 1) * TOKENS) / 12,
        seconds: ((i + 1) * seconds) / 12,
        natsPerToken: e(nats + 1.9 * Math.exp(-i / 3), noise * 3),
      })),
    },
    generation: {
      protocol: "generation",
      judge: "ar-large (synthetic)",
      steps: steps.at(-1)!,
      perplexity: perplexity(128),
      unigramEntropy: e(name === "mlm" ? 4.61 : 5.32, 0.04),
      distinct: [
        { n: 1, share: e(0.31, 0.004) },
        { n: 2, share: e(0.78, 0.005) },
      ],
      repetition: e(0.021, 0.002),
      longestCopy: { characters: 31 + Math.round(floor / 20), text: "once upon a time there was a king" },
    },
    mauve: {
      protocol: "mauve",
      ...e(0.9 - floor / 700, 0.021),
      features: "last hidden layer of the judge, mean over tokens",
      clusters: 50,
    },
    quality: {
      protocol: "quality",
      judge: "ar-large (synthetic)",
      points: steps.map((k) => ({
        steps: k,
        perplexity: perplexity(k),
        unigramEntropy: e(5.32 - floor / 900 - 1.2 / k, 0.04),
        seconds: e(k * perStep, k * perStep * 0.02),
      })),
    },
    infilling: { protocol: "infilling", kind, ...sees, leftOnly: e(nats - 0.1, name === "ar" ? 0 : 0.035) },
    speed:
      floor > 100
        ? { not: "never reaches perplexity 70" }
        : { protocol: "speed", tokensPerSecond: e(1.3 / perStep, 2.1), perplexity: e(70, 0), steps: name === "ar" ? 128 : 112 },
    ...((name === "mlm" || name === "sedd-absorb") && {
      masked: {
        protocol: "masked",
        points: RATES.map((rate) => ({
          rate,
          accuracy: e(0.62 * Math.exp(-1.4 * maskedLoss(rate) + 3.1), 0.004),
          crossEntropy: e(maskedLoss(rate), 0.03),
        })),
      },
    }),
    samples: [0, 1].map((seed) => ({
      seed,
      text: `Synthetic sample of ${name}, seed ${seed}: once upon a time there was a miller who had\nthree sons.`,
    })),
  };
}

const protocols = ["likelihood", "validation", "generation", "mauve", "quality", "infilling", "speed", "masked"];

export const syntheticReport = (): Report =>
  reportSchema.parse({
    version: 1,
    created: "2020-01-01T00:00:00Z",
    machine: "an imagined processor, two cores",
    package: "sedd 0.0.0 (synthetic)",
    recipe: { name: "synthetic", training: { tokens: TOKENS, batch: 16 } },
    models: Object.fromEntries((Object.keys(invented) as Contestant[]).map((name) => [name, model(name)])),
    reference: {
      protocol: "generation",
      judge: "ar-large (synthetic)",
      perplexity: e(31.2, 0.8),
      unigramEntropy: e(5.41, 0.03),
      distinct: [{ n: 1, share: e(0.33, 0.004) }],
      repetition: e(0.018, 0.002),
      longestCopy: { characters: 44, text: "and if they have not died they are living there still" },
    },
    protocols: Object.fromEntries(
      protocols.map((id) => [
        id,
        {
          what: `synthetic ${id}`,
          how: "made up by a formula",
          data: "none",
          samples: "64 texts of 128 tokens",
          seeds: [0, 1, 2],
          command: `sedd compare recipes/compare.yaml`,
        },
      ]),
    ),
  });
