/**
 * report.json: what a comparison measured. Models are keyed by what they were trained for; every estimate is a value with its standard error, in a section
 * that names the protocol card it was measured by. A section may be missing (not measured yet) or say why there is none, so that a partial report is one too.
 */
import { z } from "zod";

/** The contestants in the order of every table, and what each is. */
export const contestants = {
  "sedd-absorb": "score entropy, masks as noise",
  "sedd-uniform": "score entropy, random tokens as noise",
  mlm: "BERT's masked language model",
  ardm: "autoregressive diffusion, any order",
  ar: "autoregressive, left to right",
  "sedd-l2": "ℓ2 loss in place of score entropy",
} as const;
export type Contestant = keyof typeof contestants;
export const contestantNames = Object.keys(contestants) as Contestant[];

const share = z.number().min(0).max(1);
const seconds = z.number().min(0);
const count = z.int().min(0);
const steps = z.int().positive();
const machines = z.array(z.string()).readonly();
const list = <T extends z.ZodType>(item: T) => z.array(item).min(1).readonly();

/** 0 is the standard error of an exact value. */
const estimate = z.strictObject({ value: z.number(), standardError: z.number().min(0) });
export type Estimate = z.infer<typeof estimate>;
/** Of what has a logarithm. */
const positive = estimate.extend({ value: z.number().positive() });

const protocol = z.string().regex(/^[\w.-]+$/, "expected letters, digits, dots and dashes");
const absent = z.strictObject({ not: z.string().min(1) });
const section = <T extends z.ZodRawShape>(shape: T) => z.union([z.strictObject({ protocol, ...shape }), absent]).optional();

export type Given<S> = Exclude<NonNullable<S>, { not: string }>;

/** What is given of a section: `undefined` where it is missing or says why there is none. */
export const given = <S extends object>(section: S | undefined): Given<S> | undefined =>
  section && !("not" in section) ? (section as Given<S>) : undefined;

/** What a number of nats is: −log p itself, an upper bound on it, or what compares with neither. */
export const kinds = {
  exact: "exact value",
  bound: "upper bound",
  pseudo: "pseudo-likelihood",
  "masked cross-entropy": "cross-entropy of masked tokens",
} as const;
export type Kind = keyof typeof kinds;
const kind = z.enum(Object.keys(kinds) as Kind[]);

const texts = section({
  /** Of the sampler; text that people wrote has none. */
  steps: steps.optional(),
  /** Model whose generative perplexity it is. */
  judge: z.string(),
  perplexity: positive,
  /** Of the judge's −log p: what compares between judges of different tokenizers. */
  bitsPerCharacter: estimate.optional(),
  /** Nats, of the samples' own tokens. */
  unigramEntropy: estimate,
  /** Of all n-grams, the share of different ones. */
  distinct: list(z.strictObject({ n: z.int().positive(), share: estimate })),
  /** Share of tokens that repeat what stands shortly before; the card says how. */
  repetition: estimate,
  /** The longest stretch of the samples that stands word for word in the training text. */
  longestCopy: z.strictObject({ characters: count, text: z.string() }),
});

const model = z.strictObject({
  parameters: z.int().positive(),
  /** What had to differ on the common trunk. */
  differs: z.string(),
  tokensSeen: count,
  trainingSeconds: seconds,
  /** Whose seconds they are, where the runs wrote it down. */
  trainedOn: machines.optional(),
  /** Of the test file. */
  likelihood: section({ kind, natsPerToken: estimate, bitsPerCharacter: estimate }),
  /** Validation while training, in its order. */
  curve: section({ kind, points: list(z.strictObject({ tokens: count, seconds, natsPerToken: estimate })) }),
  generation: texts,
  /** Of the spread over seeds is its error made. */
  mauve: section({ ...estimate.shape, features: z.string(), clusters: z.int().positive() }),
  /** By number of steps, ascending; `ar` has one point, a step a token. `seconds` are those of one text. */
  quality: section({
    judge: z.string(),
    /** Whose seconds they are. */
    machines: machines.optional(),
    points: list(z.strictObject({ steps, perplexity: positive, unigramEntropy: estimate, seconds: positive })),
  }),
  /** Nats per token of the true middle, given both sides or the left side alone. */
  infilling: section({
    kind,
    bothSides: z.union([estimate, absent]).optional(),
    leftOnly: z.union([estimate, absent]).optional(),
  }),
  /** While writing texts of the perplexity given, which is the same for all. */
  speed: section({ tokensPerSecond: estimate, perplexity: positive, steps }),
  /** By share of masked tokens, ascending, on positions that all models share. */
  masked: section({ points: list(z.strictObject({ rate: share, accuracy: estimate, crossEntropy: estimate })) }),
  /** By seed in order, none left out. */
  samples: z.union([list(z.strictObject({ seed: count, text: z.string() })), absent]).optional(),
});
export type Model = z.infer<typeof model>;

export const reportSchema = z
  .strictObject({
    version: z.literal(1),
    created: z.iso.datetime(),
    /** The processor, in words. */
    machine: z.string(),
    /** Name and version of the package. */
    package: z.string(),
    /** As it was read, defaults included. */
    recipe: z.record(z.string(), z.unknown()),
    models: z.partialRecord(z.enum(contestantNames), model),
    /** The test file's own text, cut as samples are: what the measures say of text that people wrote. */
    reference: texts,
    protocols: z.record(
      protocol,
      z.strictObject({
        what: z.string(),
        how: z.string(),
        data: z.string(),
        samples: z.string(),
        seeds: z.array(count).readonly(),
        command: z.string(),
      }),
    ),
  })
  .superRefine((report, context) => {
    for (const id of new Set(protocolsIn([report.models, report.reference])))
      if (!Object.hasOwn(report.protocols, id)) context.addIssue({ code: "custom", path: ["protocols"], message: `no card for ${id}` });
  });
export type Report = z.infer<typeof reportSchema>;

function protocolsIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === "protocol" ? [String(inner)] : protocolsIn(inner)));
}
