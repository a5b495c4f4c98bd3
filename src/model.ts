/**
 * A model as users hold it: loaded by name, it samples, fills holes, streams and scores. What it was trained for decides how: this file opens
 * and writes folders, and delegates.
 */
import { cores, exists, inBrowser, isFolder, joinPath, list, makeFolder, packageFolder, writeFileAtomic } from "#platform";
import { readModelConfig, readModelFolder } from "./formats/hub.ts";
import { flatParameters } from "./formats/parameters.ts";
import { openSafetensors, writeSafetensors } from "./formats/safetensors.ts";
import type { BatchingOptions } from "./objectives/batching-score.ts";
import { checkConfig } from "./objectives/loadable.ts";
import { isPublished, publishedModel } from "./objectives/published-model.ts";
import { readSeddConfig, writeSeddConfig, type ModelConfig } from "./objectives/sedd-config.ts";
import { seddModel, type SeddModel } from "./objectives/sedd-model.ts";
import { dditParameters } from "./network/ddit.ts";
import type { StatesNetwork } from "./network/states-network.ts";
import { UserError } from "./platform/errors.ts";
import type { OpenOptions, Progress } from "./platform/types.ts";
import { checkDevice, Layout, type Device } from "./tensor/index.ts";
import { loadFolderTokenizer } from "./text/folder.ts";
import type { Tokenizer } from "./text/tokenizer.ts";

export interface LoadOptions {
  /** Default "cpu", which in a browser is the same as "wasm". */
  readonly device?: Device | undefined;
  /** Arithmetic of the network; only "fp32" so far. */
  readonly dtype?: "fp32" | undefined;
  /** The moving average of a training run or checkpoint, where there is one (default), or the raw weights. */
  readonly weights?: "ema" | "raw" | undefined;
  /** Default: all cores; in a page that is not cross-origin isolated, one whatever is asked for. */
  readonly threads?: number | undefined;
  /** Samples that are drawn at the same time share calls of the network, each at its own noise level: for servers. Off if left out. */
  readonly batching?: BatchingOptions | undefined;
  /** In a browser: the address of the folder with ONNX Runtime's `.mjs` and `.wasm` files; left out, where the bundler put them. */
  readonly runtime?: string | undefined;
  /** Hears how the files come: again and again while they are downloaded, once for weights that are on this machine. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** Ends loading; what was downloaded from a hub by then is kept. */
  readonly signal?: AbortSignal | undefined;
}

export type { Progress } from "./platform/types.ts";
export type Model = SeddModel;

const WEIGHTS = "model.safetensors";
/** What makes a folder a training run's: see training/checkpoint.ts. */
const RUN_CHECKPOINT = "checkpoint.safetensors";

/** The model that commands and `load()` take when none is named. */
export const DEFAULT_MODEL = "fairytales";

/**
 * Loads a model.
 *
 * @param name an existing folder (a shipped or saved model, a training run, a folder as the official code saves it, GPT-2 or BERT of the transformers library), or the
 * name of a shipped model, or the id owner/name of one on the hub, which is downloaded once and kept; in a browser the address of such a folder, or a name that stands
 * for `models/NAME/` beside the page or worker
 * @throws UserError when there is no such model, or its files are damaged, incomplete or of another network; the hub cannot be reached or refuses, the disk is full
 * @example
 * const model = await load("fairytales");
 * const [sample] = await model.sample({ seed: 1 });
 */
export async function load(name: string = DEFAULT_MODEL, options: LoadOptions = {}): Promise<Model> {
  const { device = "cpu", dtype = "fp32", threads = cores(), runtime: runtimePath, onProgress, signal } = options;
  if (dtype !== "fp32") throw new UserError(`dtype ${String(dtype)}: not known; "fp32" is`);
  if (!Number.isSafeInteger(threads) || threads < 1)
    throw new UserError(`threads ${String(threads)}: must be a whole number of at least 1`);
  await checkDevice(device);
  signal?.throwIfAborted();
  const folder = await findModel(name, { onProgress, signal });
  const stored = await readAny(folder, options.weights, { onProgress, signal });
  signal?.throwIfAborted();
  return seddModel({
    name,
    ...stored,
    runtime: { device, threads, spinning: false, runtimePath },
    batching: options.batching,
  });
}

/** The folder that a name stands for: an existing folder, then a shipped model, then (not in a browser) a model of the hub, downloaded if it is not here yet. */
export async function findModel(name: string, options: OpenOptions = {}): Promise<string> {
  if (name === "") throw new UserError('model "": give the name of a model or a folder');
  const isWord = /^[\w.-]+$/.test(name);
  // A browser's console complains of every address at which there is nothing, so that there a word is never tried as one.
  const places = [...(isWord && inBrowser ? [] : [name]), ...(isWord ? [joinPath(packageFolder(), "models", name)] : [])];
  for (const place of places) if (await exists(joinPath(place, "config.json"))) return place;
  if (await isFolder(name))
    throw new UserError(`model ${name}: the folder has no config.json; a model folder has config.json and its weights`);
  if (inBrowser)
    throw new UserError(
      `model ${name}: there is no ${joinPath(places[0]!, "config.json")}; put the model's files there, or give the address of a folder that has them`,
    );
  const { hubModel, isHubId } = await import("./formats/hub-download.ts");
  if (isHubId(name)) return hubModel(name, { ...options, check: checkConfig });
  const noId = name.split("/").length === 2 ? '; nor is it an id of the hub (owner/name, of letters, digits, ".", "_" and single "-")' : "";
  throw new UserError(
    `model ${name}: no such folder and no shipped model; shipped: ${(await shippedModels()).join(", ") || "none"}${noId}`,
  );
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

/**
 * Reads a model folder: named weights (ours or the official code's), or the checkpoint of a training run.
 *
 * @throws UserError for a folder of GPT-2 or BERT, which is not trained on or saved here: `load` opens it
 */
export async function readModel(folder: string, weights: "ema" | "raw" = "ema", options: OpenOptions = {}): Promise<StoredModel> {
  const { network, ...stored } = await readAny(folder, weights, options);
  if (network)
    throw new UserError(
      `${folder}: a network of the transformers library is used as it is, not trained or saved here; give a model of ours`,
    );
  return stored;
}

/** `network` is there where it is not the configuration's DDiT. */
async function readAny(
  folder: string,
  weights: "ema" | "raw" = "ema",
  options: OpenOptions = {},
): Promise<StoredModel & { readonly network?: StatesNetwork }> {
  if (weights !== "ema" && weights !== "raw") throw new UserError(`weights ${String(weights)}: not known; "ema" and "raw" are`);
  const run = joinPath(folder, RUN_CHECKPOINT);
  // A browser asks for the weights first: what it asks for in vain, its console complains of.
  const isRun = !(inBrowser && (await exists(joinPath(folder, WEIGHTS)))) && (await exists(run));
  if (isRun) return { ...(await readRun(folder, run, weights, options)), tokenizer: await loadFolderTokenizer(folder) };
  // The average is in the training checkpoint alone; a published file holds what its maker chose.
  const file =
    weights === "ema" && !(await exists(joinPath(folder, WEIGHTS))) && (await exists(joinPath(folder, "checkpoint.pth")))
      ? "checkpoint.pth"
      : undefined;
  const stored = await readModelFolder(folder, file === undefined ? options : { ...options, file });
  if (isPublished(stored.config)) return publishedModel(stored, await loadFolderTokenizer(folder), folder);
  const config = readSeddConfig(stored.config, joinPath(folder, "config.json"));
  const tensors = weights === "ema" && stored.ema ? stored.ema.tensors : stored.tensors;
  const layout = new Layout(dditParameters(config.sedd.network));
  // The rotary embedding's frequencies, a buffer, may be there too.
  const named = new Map([...tensors].filter(([name]) => !name.endsWith("rotary_emb.inv_freq")));
  return { config, parameters: flatParameters(named, layout, folder), tokenizer: await loadFolderTokenizer(folder) };
}

/** UserError that names the first parameter with a value that is no number. */
function checkFinite(folder: string, layout: Layout, parameters: Float32Array): void {
  const at = parameters.findIndex((value) => !Number.isFinite(value));
  if (at < 0) return;
  const { name } = layout.views.findLast(({ offset }) => offset <= at)!;
  throw new UserError(`${folder}: ${name} holds ${parameters[at]}; the weights are damaged, or their training had diverged`);
}

async function readRun(
  folder: string,
  path: string,
  weights: "ema" | "raw",
  options: OpenOptions,
): Promise<Omit<StoredModel, "tokenizer">> {
  const config = readSeddConfig(await readModelConfig(folder), joinPath(folder, "config.json"));
  const parameters = await (await openSafetensors(path, options)).tensor(weights === "ema" ? "ema" : "parameters");
  const layout = new Layout(dditParameters(config.sedd.network));
  if (parameters.length !== layout.size)
    throw new UserError(`${path}: ${parameters.length} parameters, but config.json means ${layout.size}`);
  checkFinite(folder, layout, parameters);
  return { config, parameters };
}

export interface ModelToSave {
  readonly config: ModelConfig;
  /** Flat, in the layout of the network's parameters. */
  readonly parameters: Float32Array;
  readonly tokenizer?: Tokenizer | undefined;
  /** How the weights are stored: in 4 bytes (default), exactly; or in 2, rounded to 11 bits. */
  readonly dtype?: "F32" | "F16" | undefined;
}

/**
 * Writes a model folder that `load` opens: config.json, model.safetensors with the official names, tokenizer.json. What is there under these
 * names is replaced; the folder is made if missing.
 *
 * @throws UserError for a training run's folder, a value that half precision cannot hold, a full disk
 */
export async function saveModel(folder: string, { config, parameters, tokenizer, dtype = "F32" }: ModelToSave): Promise<void> {
  if (dtype !== "F32" && dtype !== "F16") throw new UserError(`dtype ${String(dtype)}: not known; "F32" and "F16" are`);
  const layout = new Layout(dditParameters(config.sedd.network));
  if (parameters.length !== layout.size)
    throw new UserError(`${folder}: ${parameters.length} parameters to save, but the configuration means ${layout.size}`);
  if (await exists(joinPath(folder, RUN_CHECKPOINT)))
    throw new UserError(`${folder}: is a training run, whose checkpoint would be loaded instead; save to another folder`);
  await makeFolder(folder);
  const tensors = layout.views.map(({ name, shape }) => ({ name, shape, dtype, data: layout.slice(parameters, name) }));
  await writeSafetensors(joinPath(folder, WEIGHTS), tensors, { format: "pt" });
  if (tokenizer) await writeFileAtomic(joinPath(folder, "tokenizer.json"), `${JSON.stringify(tokenizer.toJSON(), null, 1)}\n`);
  // Last: a folder without it is no model.
  await writeFileAtomic(joinPath(folder, "config.json"), `${JSON.stringify(writeSeddConfig(config), null, 2)}\n`);
}
