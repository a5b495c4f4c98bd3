/**
 * A recipe: everything a training run is made of, read from YAML and checked against a schema. An unknown or wrong key is an error that names it
 * (recipe-errors.ts).
 */
import { z } from "zod";
import { noiseFrom } from "../diffusion/noise.ts";
import { parseYaml, readYaml } from "../formats/yaml.ts";
import { MOST_BLOCKS, MOST_LENGTH } from "../objectives/sedd-config.ts";
import { mismatch, networkFor, readAsScore, type SeddConfig } from "../objectives/sedd.ts";
import { UserError } from "../platform/errors.ts";
import { END_OF_TEXT } from "../text/interface.ts";
import { wrongSize } from "../text/train-tokenizer.ts";
import { describeIssues } from "./recipe-errors.ts";

const positive = z.number().positive();
const count = z.int().positive();
const fraction = z.number().min(0).max(1);
/** Of an average's past: at 1 it would never learn anything. */
const decay = z.number().min(0).lt(1);

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
    .discriminatedUnion("kind", [
      z.strictObject({
        kind: z.literal("sedd").default("sedd"),
        graph: z.enum(["absorb", "uniform"]).default("absorb"),
        noise: noise.default({ kind: "loglinear", eps: 1e-3 }),
        /** Default: `normalized` for absorb, `score` for uniform. */
        parameterization: z.enum(["score", "normalized"]).optional(),
        /** Default: true for absorb, false for uniform. */
        scaleBySigma: z.boolean().optional(),
        /** Default: score-entropy; written down it is left out again, so that both ways are one recipe. */
        loss: z.enum(["score-entropy", "l2"]).optional(),
      }),
      z.strictObject({ kind: z.literal("mlm") }),
      z.strictObject({ kind: z.literal("ardm") }),
      z.strictObject({ kind: z.literal("ar") }),
    ])
    .prefault({}),
  network: z.strictObject({
    hidden: count,
    layers: count.max(MOST_BLOCKS),
    heads: count,
    /** Of sedd alone, the only objective that is told σ; default 128. */
    conditioning: count.optional(),
    dropout: z.number().min(0).lt(1).default(0),
  }),
  /** Window lengths in tokens, each a share of the batches; the longest is the model's length. */
  windows: z
    .array(
      z.strictObject({
        length: count.max(MOST_LENGTH),
        weight: positive.default(1),
        /** Of its forward passes; default `batch.tokens`. */
        tokens: count.optional(),
        /** The first and the last step that may take it; from the beginning and to the end if left out. */
        from: count.optional(),
        until: count.optional(),
      }),
    )
    .min(1),
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
      momentum: decay.default(0.95),
      /** Rows of the blocks that Muon orthogonalises by themselves, where they divide a matrix's; 0 for whole matrices. */
      muonBlock: z.int().min(0).default(0),
      beta1: decay.default(0.9),
      beta2: decay.default(0.999),
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

type Written = z.infer<typeof schema>;
type WrittenSedd = Extract<Written["objective"], { kind: "sedd" }>;
export interface Recipe extends Written {
  readonly objective: Exclude<Written["objective"], WrittenSedd> | (WrittenSedd & Pick<SeddConfig, "parameterization" | "scaleBySigma">);
}

/** Reads and checks a recipe; `overrides` are `key.path=value` with the value in YAML. */
export async function readRecipe(path: string, overrides: readonly string[] = []): Promise<Recipe> {
  let raw = await readYaml(path);
  for (const override of overrides) raw = setKey(raw, override);
  const recipe = checkRecipe(raw, path);
  checkLongest(recipe, path);
  return recipe;
}

/** Checks a recipe that is already an object. */
export function checkRecipe(raw: unknown, where: string): Recipe {
  const result = schema.safeParse(raw);
  if (!result.success) throw new UserError(`${where}: ${describeIssues(result.error.issues, raw, schema)}`);
  const { network: writtenNetwork, batch, windows, schedule, tokenizer, data } = result.data;
  const objective = completed(result.data.objective, where);
  const { kind } = objective;
  if (kind !== "sedd" && writtenNetwork.conditioning !== undefined)
    throw new UserError(
      `${where}: network.conditioning: ${writtenNetwork.conditioning} is for objective.kind sedd alone; ${kind} is told no σ: leave it out`,
    );
  const network = kind === "sedd" ? { ...writtenNetwork, conditioning: writtenNetwork.conditioning ?? 128 } : writtenNetwork;
  const recipe = { ...result.data, objective, network };
  if (network.hidden % (2 * network.heads) !== 0) {
    throw new UserError(`${where}: network.hidden: ${network.hidden} must be a multiple of twice network.heads (${network.heads})`);
  }
  if (typeof tokenizer === "object") {
    const wrong = wrongSize(tokenizer);
    if (wrong !== undefined) throw new UserError(`${where}: tokenizer.size: ${wrong}`);
    if (data.separator !== undefined && !tokenizer.special?.includes(END_OF_TEXT))
      throw new UserError(
        `${where}: data.separator: ${JSON.stringify(data.separator)} needs a token to stand in its place; give tokenizer.special: ["${END_OF_TEXT}"]`,
      );
  }
  for (const [i, { length, tokens, from, until }] of windows.entries()) {
    if ((tokens ?? batch.tokens) % length !== 0) {
      const key = tokens === undefined ? "batch.tokens" : `windows.${i}.tokens`;
      throw new UserError(`${where}: ${key}: ${tokens ?? batch.tokens} must be a multiple of the window length ${length}`);
    }
    if (until !== undefined && from !== undefined && until < from)
      throw new UserError(`${where}: windows.${i}.until: ${until} is before its from, ${from}`);
  }
  // Where one ends another must go on, and a length may come again with other tokens.
  for (const step of [1, ...windows.flatMap(({ from = 1, until = Infinity }) => [from, until + 1])]) {
    const lengths = windowsAt(recipe, step).map(({ length }) => length);
    if (step <= schedule.steps && lengths.length === 0)
      throw new UserError(`${where}: windows: none is for step ${step}; let one begin there (from) or end later (until)`);
    if (new Set(lengths).size !== lengths.length)
      throw new UserError(`${where}: windows: a length stands there twice (${lengths.join(", ")})`);
  }
  return recipe;
}

/** UserError where no step takes the longest window, whose length the model would have. Not for a recipe whose steps are still to be found out. */
export function checkLongest(recipe: Recipe, where: string): void {
  const { windows, schedule } = recipe;
  const longest = lengthOf(recipe);
  if (windows.some(({ length, from = 1 }) => length === longest && from <= schedule.steps)) return;
  const i = windows.findIndex(({ length }) => length === longest);
  throw new UserError(
    `${where}: windows.${i}.from: ${windows[i]!.from} is beyond schedule.steps (${schedule.steps}), so that no step takes the longest window, whose length the model has; leave it out, or give more steps`,
  );
}

/** The objective with what follows from its graph filled in. */
function completed(written: Written["objective"], where: string): Recipe["objective"] {
  if (written.kind !== "sedd") return written;
  const isAbsorb = written.graph === "absorb";
  const { loss, ...rest } = written;
  const { parameterization = isAbsorb ? "normalized" : "score", scaleBySigma = isAbsorb, noise: schedule } = rest;
  const objective = { ...rest, parameterization, scaleBySigma, ...(loss === "l2" ? { loss } : {}) };
  const wrong = mismatch(objective);
  if (wrong) throw new UserError(`${where}: objective.${wrong.key}: ${wrong.why}`);
  if (schedule.kind === "geometric" && schedule.sigmaMin >= schedule.sigmaMax)
    throw new UserError(`${where}: objective.noise.sigmaMin: ${schedule.sigmaMin} must be below sigmaMax (${schedule.sigmaMax})`);
  try {
    noiseFrom(schedule);
  } catch (error) {
    throw error instanceof UserError ? new UserError(`${where}: objective.noise: ${error.message}`) : error;
  }
  return objective;
}

/** The network that a recipe describes, once its vocabulary is known, and the score that it is read as. */
export function configOf({ network, objective }: Recipe, vocabularySize: number): SeddConfig {
  const sizes = { ...network, conditioning: network.conditioning ?? 0 };
  const built = (config: Omit<SeddConfig, "network">): SeddConfig => ({ ...config, network: networkFor(sizes, vocabularySize, config) });
  if (objective.kind !== "sedd") return built({ ...readAsScore, objective: objective.kind });
  const { graph, noise, parameterization, scaleBySigma, loss } = objective;
  return built({ graph, noise, parameterization, scaleBySigma, ...(loss === "l2" ? { loss } : {}) });
}

/** Sets one key of a recipe from `a.b=value`; list items go by their index. */
function setKey(raw: unknown, override: string): unknown {
  const at = override.indexOf("=");
  const path = override.slice(0, Math.max(0, at)).split(".");
  if (path.includes("")) throw new UserError(`--set ${override}: expected key=value, for example --set schedule.steps=500`);
  const value = parseYaml(override.slice(at + 1), `--set ${override}`);
  const inside = (node: unknown, [key, ...rest]: string[]): unknown => {
    if (key === undefined) return value;
    if (Array.isArray(node)) {
      const index = Number(key);
      if (!/^\d+$/.test(key) || index > node.length)
        throw new UserError(`--set ${override}: "${key}" is no item of a list of ${node.length}; give 0 to ${node.length}`);
      return node.toSpliced(index, 1, inside(node[index] as unknown, rest));
    }
    const entries: [string, unknown][] = typeof node === "object" && node !== null ? Object.entries(node) : [];
    const old = entries.find(([name]) => name === key)?.[1];
    return Object.fromEntries([...entries, [key, inside(old, rest)]]);
  };
  return inside(raw, path);
}

/** The windows that a step may take. */
export const windowsAt = ({ windows }: Pick<Recipe, "windows">, step: number): Recipe["windows"] =>
  windows.filter(({ from = 1, until = Infinity }) => from <= step && step <= until);

/** The model's length: the longest window. */
export const lengthOf = ({ windows }: Recipe): number => Math.max(...windows.map(({ length }) => length));
