/**
 * A folder as the hub, the official code or a training run of the official code leaves it: `config.json` and weights in one of four forms. Says what the
 * folder holds, in one shape; which network the config means is not decided here.
 */
import { baseName, exists, isFolder, joinPath, readText } from "#platform";
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";
import { isObject, parseJsonObject } from "./json.ts";
import type { PickleValue } from "./pickle.ts";
import { PyTorchTensor, readPyTorch } from "./pytorch.ts";
import { openSafetensors } from "./safetensors.ts";

export interface NamedTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Float32Array;
}

export interface ExponentialAverage {
  readonly decay: number;
  /** How many updates it has seen. */
  readonly updates: number;
  /** The averaged parameters under their names; buffers are not averaged and not here. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
}

export interface ModelFolder {
  readonly config: Record<string, unknown>;
  /** Parameters and saved buffers, by the names of the state dict, without a `module.` prefix. */
  readonly tensors: ReadonlyMap<string, NamedTensor>;
  /** The average of a training checkpoint, if that is what the folder holds. */
  readonly ema?: ExponentialAverage;
  /** The step of a training checkpoint. */
  readonly step?: number;
}

type Weights = Omit<ModelFolder, "config">;

/** The files that can hold the weights, the first present one first. */
export const candidates = ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "checkpoint.pth"];

/**
 * Reads config and weights. Where several files hold weights, the first of model.safetensors, model.safetensors.index.json, pytorch_model.bin and
 * checkpoint.pth counts, unless `file` names another of the folder. A file that is missing or damaged is a UserError.
 */
export async function readModelFolder(folder: string, { file, ...options }: OpenOptions & { file?: string } = {}): Promise<ModelFolder> {
  const config = await readModelConfig(folder);
  const names = file === undefined ? candidates : [file];
  const name = await weightsIn(folder, names);
  if (name === undefined)
    throw new UserError(`the model folder ${folder} has no weights; ${names.length > 1 ? "one of " : ""}${names.join(", ")} would do`);
  const path = joinPath(folder, name);
  if (name.endsWith(".json")) return { config, ...(await readSharded(path, folder, options)) };
  if (name.endsWith(".safetensors")) return { config, tensors: withoutPrefix(await readWeights(path, options)) };
  return { config, ...(await readCheckpoint(path, options)) };
}

/** The file of a folder that holds a model's weights, the first of those that can; `undefined` where there is none. */
export async function weightsIn(folder: string, names: readonly string[] = candidates): Promise<string | undefined> {
  for (const name of names) if (await exists(joinPath(folder, name))) return name;
  return undefined;
}

/** The folder's `config.json`. */
export async function readModelConfig(folder: string): Promise<Record<string, unknown>> {
  const path = joinPath(folder, "config.json");
  if (await exists(path)) return parseJsonObject(await readText(path), path);
  const what = (await isFolder(folder)) ? "has no config.json" : "does not exist";
  throw new UserError(`the model folder ${folder} ${what}; a folder with config.json and one of ${candidates.join(", ")} would do`);
}

async function readWeights(path: string, options: OpenOptions): Promise<Map<string, NamedTensor>> {
  const file = await openSafetensors(path, options);
  const tensors = new Map<string, NamedTensor>();
  for (const [name, { shape }] of file.entries) tensors.set(name, { shape, data: await file.tensor(name) });
  return tensors;
}

/** Several safetensors files and an index `{ weight_map: { tensor: file } }`. */
async function readSharded(path: string, folder: string, options: OpenOptions): Promise<Weights> {
  const map = weightMap(await readText(path), path);
  const tensors = new Map<string, NamedTensor>();
  for (const shard of new Set(Object.values(map))) {
    const file = await openSafetensors(joinPath(folder, shard), options);
    for (const [name, { shape }] of file.entries) if (map[name] === shard) tensors.set(name, { shape, data: await file.tensor(name) });
  }
  const missing = Object.keys(map).find((name) => !tensors.has(name));
  if (missing !== undefined) throw new UserError(`${path} says that ${map[missing]} has the tensor "${missing}", but it has not`);
  return { tensors: withoutPrefix(tensors) };
}

/** Which file has which tensor. */
function weightMap(index: string, path: string): Record<string, string> {
  const { weight_map: map } = parseJsonObject(index, path);
  if (!isObject(map)) throw new UserError(`${path} has no weight_map`);
  for (const shard of Object.values(map)) {
    // A name with a folder in it could lead out of this one.
    if (typeof shard !== "string" || baseName(shard) !== shard || /[/\\]|^\.\.?$/.test(shard))
      throw new UserError(`${path} names ${JSON.stringify(shard)}, which is not a file of its folder`);
  }
  return map as Record<string, string>;
}

/** The files that a `model.safetensors.index.json` names. UserError for an index that is none. */
export const shardsOf = (index: string, path: string): readonly string[] => [...new Set(Object.values(weightMap(index, path)))];

/** A state dict, or the official training checkpoint { model, ema, step, optimizer } (the optimizer's state is not read). */
async function readCheckpoint(path: string, options: OpenOptions): Promise<Weights> {
  const saved = await readPyTorch(path, options);
  if (!(saved instanceof Map)) throw new UserError(`${path} holds no dictionary of weights`);
  if (!(saved.get("model") instanceof Map)) return { tensors: await loadAll(stateDict(saved, path)) };
  const model = stateDict(saved.get("model"), path);
  const ema = saved.get("ema") as PickleValue | undefined;
  const step = saved.get("step") as PickleValue | undefined;
  if (step !== undefined && !isCount(step)) throw new UserError(`${path}: its step is not a count`);
  return {
    tensors: await loadAll(model),
    ...(ema === undefined ? {} : { ema: await readAverage(ema, model, path) }),
    ...(step === undefined ? {} : { step }),
  };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function stateDict(value: unknown, path: string): Map<string, PyTorchTensor> {
  const state = value as Map<PickleValue, PickleValue>;
  for (const [name, tensor] of state) {
    if (typeof name !== "string" || !(tensor instanceof PyTorchTensor))
      throw new UserError(`${path}: the entry ${String(name)} of its weights is no tensor`);
  }
  return withoutPrefix(state as Map<string, PyTorchTensor>);
}

async function loadAll(tensors: ReadonlyMap<string, PyTorchTensor>): Promise<Map<string, NamedTensor>> {
  const loaded = new Map<string, NamedTensor>();
  for (const [name, tensor] of tensors) loaded.set(name, { shape: tensor.shape, data: await tensor.load() });
  return loaded;
}

/**
 * { decay, num_updates, shadow_params }: a list without names, in the order of the model's parameters, which is that of the state dict without its
 * buffers. The rotary embedding's inverse frequencies are the only buffer.
 */
async function readAverage(value: PickleValue, model: ReadonlyMap<string, PyTorchTensor>, path: string): Promise<ExponentialAverage> {
  const bad = (what: string): UserError => new UserError(`${path}: its average of the weights (ema) ${what}`);
  if (!(value instanceof Map)) throw bad("is no dictionary");
  const [decay, updates, shadow] = ["decay", "num_updates", "shadow_params"].map((key) => value.get(key) as unknown);
  if (typeof decay !== "number" || !isCount(updates) || !Array.isArray(shadow)) throw bad("lacks decay, num_updates or shadow_params");
  const names = [...model.keys()].filter((name) => !name.endsWith("rotary_emb.inv_freq"));
  if (names.length !== shadow.length) throw bad(`has ${shadow.length} tensors, the model ${names.length} parameters`);
  const named = new Map<string, PyTorchTensor>();
  for (const [i, name] of names.entries()) {
    const tensor: unknown = shadow[i];
    const shape = model.get(name)!.shape;
    if (!(tensor instanceof PyTorchTensor) || tensor.shape.join() !== shape.join())
      throw bad(`has no tensor of shape [${shape.join(", ")}] for ${name}`);
    named.set(name, tensor);
  }
  return { decay, updates, tensors: await loadAll(named) };
}

/** Names without the `module.` that PyTorch's data-parallel wrapper puts before all of them. */
function withoutPrefix<T>(tensors: Map<string, T>): Map<string, T> {
  const prefix = "module.";
  if (![...tensors.keys()].every((name) => name.startsWith(prefix))) return tensors;
  return new Map([...tensors].map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}
