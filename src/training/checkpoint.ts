/**
 * A training run's folder: `checkpoint.safetensors` (parameters, moving average, both moments as flat buffers, and in its metadata step, position
 * in the data and seed, from which all random streams follow), `config.json`, `tokenizer.json`, `recipe.yaml`, `metrics.jsonl`. Written whole
 * or not at all.
 */
import { exists, joinPath } from "#platform";
import { z } from "zod";
import { readSafetensors } from "../formats/safetensors.ts";
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

const progress = z.object({
  step: z.int().min(0),
  tokens: z.int().min(0),
  seconds: z.number().min(0),
  seed: z.int(),
  data: z.object({
    seed: z.int(),
    count: z.int(),
    positions: z.array(z.object({ length: z.int(), epoch: z.int(), index: z.int() })),
  }),
});

export async function writeCheckpoint(folder: string, { state, ...rest }: Checkpoint): Promise<void> {
  await writeSafetensors(
    joinPath(folder, CHECKPOINT),
    buffers.map((name) => ({ name, dtype: "F32", shape: [state[name].length], data: state[name] })),
    { format: "sedd-checkpoint-1", progress: JSON.stringify(rest) },
  );
}

/** @param size the number of parameters that the run's configuration has */
export async function readCheckpoint(folder: string, size: number): Promise<Checkpoint> {
  const path = joinPath(folder, CHECKPOINT);
  if (!(await exists(path))) throw new UserError(`${folder}: no ${CHECKPOINT} to resume from; leave out --resume to begin`);
  const file = await readSafetensors(path);
  const parsed = progress.safeParse(JSON.parse(file.metadata["progress"] ?? "null"));
  if (!parsed.success) throw new UserError(`${path}: not a training checkpoint of this project (its metadata lack the step)`);
  const buffer = (name: string): Float32Array => {
    const data = file.tensor(name);
    if (data.length !== size)
      throw new UserError(`${path}: ${name} has ${data.length} values, the recipe's network ${size}; resume with the recipe of this run`);
    return data;
  };
  const [parameters, ema, first, second] = buffers.map(buffer) as [Float32Array, Float32Array, Float32Array, Float32Array];
  return { state: { parameters, ema, first, second }, ...parsed.data };
}
