/** A recipe: everything a training run is made of, read from YAML and checked against a schema. An unknown or wrong key is an error that names it. */
import { readText } from "#platform";
import { parse } from "yaml";
import { z } from "zod";
import { messageOf, UserError } from "../platform/errors.ts";

const positive = z.number().positive();
const count = z.int().positive();
const fraction = z.number().min(0).max(1);

const noise = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("loglinear"), eps: z.number().positive().lt(1).default(1e-3) }),
  z.strictObject({ kind: z.literal("geometric"), sigmaMin: positive.default(1e-5), sigmaMax: positive.default(20) }),
]);

const schema = z.strictObject({
  /** Shown in samples and in the model card. */
  name: z.string().min(1),
  data: z.strictObject({
    /** Text files, UTF-8, relative to the working folder. A file is one document unless `separator` is given. */
    train: z.array(z.string()).min(1),
    valid: z.array(z.string()).min(1),
    separator: z.string().min(1).optional(),
  }),
  /** An existing tokenizer.json, or what to train on the training files. */
  tokenizer: z.union([
    z.string(),
    z.strictObject({ kind: z.enum(["bpe", "character"]), size: count.optional(), special: z.array(z.string()).optional() }),
  ]),
  objective: z
    .strictObject({
      kind: z.literal("sedd").default("sedd"),
      graph: z.literal("absorb").default("absorb"),
      noise: noise.default({ kind: "loglinear", eps: 1e-3 }),
      parameterization: z.enum(["score", "normalized"]).default("normalized"),
      scaleBySigma: z.boolean().default(true),
    })
    .prefault({}),
  network: z.strictObject({
    hidden: count,
    layers: count,
    heads: count,
    conditioning: count.default(128),
    dropout: z.number().min(0).lt(1).default(0),
  }),
  /** Window lengths in tokens, each a share of the batches; the longest is the model's length. */
  windows: z.array(z.strictObject({ length: count, weight: positive.default(1) })).min(1),
  batch: z.strictObject({
    /** Tokens of a forward pass: each length takes as many rows as fit. */
    tokens: count,
    /** Forward passes per step. */
    accumulate: count.default(1),
  }),
  optimizer: z
    .strictObject({
      kind: z.enum(["adamw", "muon"]).default("muon"),
      learningRate: positive.default(3e-3),
      /** Muon's, for the blocks' matrices. */
      muonLearningRate: positive.default(3e-3),
      momentum: fraction.default(0.95),
      /** Rows (or columns) of the blocks that Muon orthogonalises by themselves; 0 for whole matrices. */
      muonBlock: z.int().min(0).default(0),
      beta1: fraction.default(0.9),
      beta2: fraction.default(0.999),
      eps: positive.default(1e-8),
      weightDecay: z.number().min(0).default(0),
      /** Largest norm of the mean gradient per token; 0 for none. */
      clip: z.number().min(0).default(1),
    })
    .prefault({}),
  schedule: z.strictObject({
    steps: count,
    warmup: z.int().min(0).default(100),
    /** How the learning rate falls to zero. */
    decay: z.enum(["linear", "cosine", "none"]).default("linear"),
    /** The share of the steps after which it begins to fall. */
    decayFrom: fraction.default(0),
  }),
  /** Decay of the moving average of the weights. */
  ema: fraction.default(0.999),
  seed: z.int().min(0).default(1),
  threads: count.optional(),
  validation: z.strictObject({ every: count.default(250), windows: count.default(64) }).prefault({}),
  samples: z.strictObject({ every: count.default(1000), count: count.default(1), steps: count.default(64) }).prefault({}),
  checkpoint: z.strictObject({ every: count.default(250) }).prefault({}),
});

export type Recipe = z.infer<typeof schema>;

/** Reads and checks a recipe; `overrides` are `key.path=value` with the value in YAML. */
export async function readRecipe(path: string, overrides: readonly string[] = []): Promise<Recipe> {
  let raw: unknown;
  const text = await readText(path);
  try {
    raw = parse(text);
  } catch (error) {
    throw new UserError(`${path}: not YAML (${messageOf(error).split("\n")[0]})`);
  }
  for (const override of overrides) raw = setKey(raw, override);
  return checkRecipe(raw, path);
}

/** Checks a recipe that is already an object. */
export function checkRecipe(raw: unknown, where: string): Recipe {
  const result = schema.safeParse(raw);
  if (!result.success) throw new UserError(`${where}: ${result.error.issues.map(describe).join("; ")}`);
  const recipe = result.data;
  const { network, batch, windows } = recipe;
  if (network.hidden % (2 * network.heads) !== 0) {
    throw new UserError(`${where}: network.hidden: ${network.hidden} must be a multiple of twice network.heads (${network.heads})`);
  }
  for (const { length } of windows) {
    if (batch.tokens % length !== 0)
      throw new UserError(`${where}: batch.tokens: ${batch.tokens} must be a multiple of the window length ${length}`);
  }
  if (new Set(windows.map(({ length }) => length)).size !== windows.length)
    throw new UserError(`${where}: windows: a length stands there twice`);
  return recipe;
}

function describe(issue: z.core.$ZodIssue): string {
  const key = issue.path.join(".");
  if (issue.code === "unrecognized_keys") {
    return issue.keys
      .map((name) => `${[...issue.path, name].join(".")}: unknown key; known here: ${knownKeys(issue.path).join(", ")}`)
      .join("; ");
  }
  return `${key || "the recipe"}: ${issue.message}`;
}

/** The keys that the schema has at a path. */
function knownKeys(path: readonly PropertyKey[]): string[] {
  let at: unknown = z.toJSONSchema(schema, { io: "input" });
  for (const step of path) {
    const node = at as { properties?: Record<string, unknown>; items?: unknown };
    at = typeof step === "number" ? node.items : node.properties?.[String(step)];
  }
  const node = at as { properties?: object; anyOf?: { properties?: object }[]; oneOf?: { properties?: object }[] } | undefined;
  const variants = node?.properties ? [node] : [...(node?.anyOf ?? []), ...(node?.oneOf ?? [])];
  return [...new Set(variants.flatMap((variant) => Object.keys(variant.properties ?? {})))];
}

/** Sets one key of a recipe from `a.b=value`. */
function setKey(raw: unknown, override: string): unknown {
  const at = override.indexOf("=");
  if (at < 1) throw new UserError(`--set ${override}: expected key=value, for example --set schedule.steps=500`);
  const path = override.slice(0, at).split(".");
  const value: unknown = parse(override.slice(at + 1));
  const copy: unknown = structuredClone(raw);
  let node = copy as Record<string, unknown>;
  for (const key of path.slice(0, -1)) {
    if (typeof node[key] !== "object" || node[key] === null) node[key] = {};
    node = node[key] as Record<string, unknown>;
  }
  node[path.at(-1)!] = value;
  return copy;
}

/** The model's length: the longest window. */
export const lengthOf = ({ windows }: Recipe): number => Math.max(...windows.map(({ length }) => length));
