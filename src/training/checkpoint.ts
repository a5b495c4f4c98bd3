/**
 * A training run's folder: `checkpoint.safetensors` (parameters, moving average, both moments as flat buffers, and in its metadata step, position
 * in the data and seed, from which all random streams follow), `config.json`, `tokenizer.json`, `recipe.yaml`, `metrics.jsonl`. Written whole
 * or not at all.
 */
import { exists, joinPath, list, removeFile } from "#platform";
import { z } from "zod";
import { openSafetensors, type OpenSafetensors } from "../formats/safetensors.ts";
import { writeSafetensors } from "../formats/safetensors-writer.ts";
import { UserError } from "../platform/errors.ts";
import type { SamplerState } from "../text/batches.ts";
import type { TrainingState } from "./optimizer.ts";

export interface Checkpoint {
  readonly state: TrainingState;
  /** Updates done. */
  readonly step: number;
  /** Tokens seen. */
  readonly tokens: number;
  /** Seconds of training so far. */
  readonly seconds: number;
  readonly seed: number;
  readonly data: SamplerState;
}

export const CHECKPOINT = "checkpoint.safetensors";
const buffers = ["parameters", "ema", "first", "second"] as const;
const count = z.int().min(0);

const progress = z.object({
  step: count,
  tokens: count,
  seconds: z.number().min(0),
  seed: count,
  data: z.object({
    seed: count,
    count,
    positions: z.array(z.object({ length: z.int().positive(), epoch: count, index: count })),
  }),
});

export const hasCheckpoint = (folder: string): Promise<boolean> => exists(joinPath(folder, CHECKPOINT));

export async function writeCheckpoint(folder: string, { state, ...rest }: Checkpoint): Promise<void> {
  await writeSafetensors(
    joinPath(folder, CHECKPOINT),
    buffers.map((name) => ({ name, dtype: "F32", shape: [state[name].length], data: state[name] })),
    { format: "sedd-checkpoint-1", progress: JSON.stringify(rest) },
  );
}

/** How far the run in a folder is: what its checkpoint says beside the buffers. */
export async function readProgress(folder: string): Promise<Omit<Checkpoint, "state">> {
  const path = joinPath(folder, CHECKPOINT);
  return progressOf(await openSafetensors(path), path);
}

function progressOf({ metadata }: OpenSafetensors, path: string): Omit<Checkpoint, "state"> {
  const parsed = progress.safeParse(parseJson(metadata["progress"]));
  if (!parsed.success) throw new UserError(`${path}: not a training checkpoint of this project (its metadata lack the step)`);
  return parsed.data;
}

/**
 * Reads a run's checkpoint. One that is missing, cut off, none of ours or of another size is a UserError that names the file.
 *
 * @param size the number of parameters that the run's configuration has
 */
export async function readCheckpoint(folder: string, size: number): Promise<Checkpoint> {
  const path = joinPath(folder, CHECKPOINT);
  const file = await openSafetensors(path);
  const rest = progressOf(file, path);
  const buffer = async (name: string): Promise<Float32Array> => {
    const length = file.entries.get(name)?.shape.reduce((a, b) => a * b, 1);
    if (length !== undefined && length !== size)
      throw new UserError(`${path}: ${name} has ${length} values, the recipe's network ${size}; resume with the recipe of this run`);
    return file.tensor(name);
  };
  const state = {
    parameters: await buffer("parameters"),
    ema: await buffer("ema"),
    first: await buffer("first"),
    second: await buffer("second"),
  };
  return { state, ...rest };
}

/** Removes what writes that were killed have left beside the run's files; the folder must be this process's own. */
export async function removeAborted(folder: string): Promise<void> {
  for (const name of await list(folder)) if (/^\..+\.[0-9a-f-]{36}\.tmp$/.test(name)) await removeFile(joinPath(folder, name));
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}
