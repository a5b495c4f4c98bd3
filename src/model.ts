/**
 * A model as users hold it: loaded by name, it samples, fills holes, streams and scores. What it was trained for decides how: this file opens
 * folders and delegates.
 */
import { cores, exists, isFolder, joinPath, list, packageFolder } from "#platform";
import { readModelConfig, readModelFolder } from "./formats/hub.ts";
import { readSafetensors } from "./formats/safetensors.ts";
import { readSeddConfig, type ModelConfig } from "./objectives/sedd-config.ts";
import { seddModel, type SeddModel } from "./objectives/sedd-model.ts";
import { dditParameters } from "./network/ddit.ts";
import { UserError } from "./platform/errors.ts";
import { Layout, type Device } from "./tensor/index.ts";
import { loadTokenizer, type Tokenizer } from "./text/tokenizer.ts";

export interface LoadOptions {
  /** Default "cpu". */
  readonly device?: Device | undefined;
  /** Arithmetic of the network; only "fp32" so far. */
  readonly dtype?: "fp32" | undefined;
  /** The moving average of a training run or checkpoint, where there is one (default), or the raw weights. */
  readonly weights?: "ema" | "raw" | undefined;
  /** Default: all cores. */
  readonly threads?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type Model = SeddModel;

/** The model that commands and `load()` take when none is named. */
export const DEFAULT_MODEL = "fairytales";

/**
 * Loads a model.
 *
 * @param name an existing folder (a shipped or saved model, a training run, a folder as the official code saves it), or the name of a shipped model
 * @throws UserError when there is no such model, or its files are damaged, incomplete or of another network
 * @example
 * const model = await load("fairytales");
 * const [sample] = await model.sample({ seed: 1 });
 */
export async function load(name: string = DEFAULT_MODEL, options: LoadOptions = {}): Promise<Model> {
  const { device = "cpu", dtype = "fp32", threads = cores() } = options;
  if (device !== "cpu" && device !== "wasm") throw new UserError(`device ${String(device)}: not known; "cpu" and "wasm" are`);
  if (dtype !== "fp32") throw new UserError(`dtype ${String(dtype)}: not known; "fp32" is`);
  const folder = await findModel(name);
  const { config, parameters, tokenizer } = await readModel(folder, options.weights);
  return seddModel({ name, config, parameters, tokenizer, runtime: { device, threads, spinning: false } });
}

/** The folder that a name stands for: an existing folder, then a shipped model. */
export async function findModel(name: string): Promise<string> {
  if (await exists(joinPath(name, "config.json"))) return name;
  const shipped = joinPath(packageFolder(), "models", name);
  if (/^[\w.-]+$/.test(name) && (await exists(joinPath(shipped, "config.json")))) return shipped;
  if (await isFolder(name))
    throw new UserError(`model ${name}: the folder has no config.json; a model folder has config.json and its weights`);
  throw new UserError(`model ${name}: no such folder and no shipped model; shipped: ${(await shippedModels()).join(", ") || "none"}`);
}

/** The names of the models in the package. */
export async function shippedModels(): Promise<string[]> {
  const folder = joinPath(packageFolder(), "models");
  const names: string[] = [];
  for (const name of await list(folder).catch(() => [])) if (await exists(joinPath(folder, name, "config.json"))) names.push(name);
  return names;
}

export interface StoredModel {
  readonly config: ModelConfig;
  /** Flat, in the layout of the network's parameters. */
  readonly parameters: Float32Array;
  readonly tokenizer: Tokenizer | undefined;
}

/** Reads a model folder: named weights (ours or the official code's), or the checkpoint of a training run. */
export async function readModel(folder: string, weights: "ema" | "raw" = "ema"): Promise<StoredModel> {
  if (weights !== "ema" && weights !== "raw") throw new UserError(`weights ${String(weights)}: not known; "ema" and "raw" are`);
  const tokenizerPath = joinPath(folder, "tokenizer.json");
  const tokenizer = (await exists(tokenizerPath)) ? await loadTokenizer(tokenizerPath) : undefined;
  const run = joinPath(folder, "checkpoint.safetensors");
  if (await exists(run)) return { ...(await readRun(folder, run, weights)), tokenizer };
  // The average is in the training checkpoint alone; a published file holds what its maker chose.
  const file =
    weights === "ema" && !(await exists(joinPath(folder, "model.safetensors"))) && (await exists(joinPath(folder, "checkpoint.pth")))
      ? "checkpoint.pth"
      : undefined;
  const stored = await readModelFolder(folder, file === undefined ? {} : { file });
  const config = readSeddConfig(stored.config, joinPath(folder, "config.json"));
  const tensors = weights === "ema" && stored.ema ? stored.ema.tensors : stored.tensors;
  const layout = new Layout(dditParameters(config.sedd.network));
  const parameters = layout.allocate();
  const extra = [...tensors.keys()].filter((name) => !layout.has(name) && !name.endsWith("rotary_emb.inv_freq"));
  const missing = layout.views.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  if (extra.length > 0 || missing.length > 0) {
    const few = (names: string[]): string => names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");
    throw new UserError(
      `${folder}: the weights are not those of its config.json: ${[missing.length > 0 ? `missing ${few(missing)}` : "", extra.length > 0 ? `unknown ${few(extra)}` : ""].filter(Boolean).join("; ")}`,
    );
  }
  for (const { name, shape, offset } of layout.views) {
    const tensor = tensors.get(name)!;
    if (tensor.shape.join() !== shape.join())
      throw new UserError(`${folder}: ${name} has shape [${tensor.shape.join(", ")}], its config.json means [${shape.join(", ")}]`);
    parameters.set(tensor.data, offset);
  }
  return { config, parameters, tokenizer };
}

async function readRun(folder: string, path: string, weights: "ema" | "raw"): Promise<Omit<StoredModel, "tokenizer">> {
  const config = readSeddConfig(await readModelConfig(folder), joinPath(folder, "config.json"));
  const parameters = (await readSafetensors(path)).tensor(weights === "ema" ? "ema" : "parameters");
  const { size } = new Layout(dditParameters(config.sedd.network));
  if (parameters.length !== size) throw new UserError(`${path}: ${parameters.length} parameters, but config.json means ${size}`);
  return { config, parameters };
}
