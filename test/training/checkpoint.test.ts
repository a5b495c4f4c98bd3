import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeSafetensors } from "../../src/formats/safetensors.ts";
import { UserError } from "../../src/platform/errors.ts";
import { hasCheckpoint, readCheckpoint, removeAborted, writeCheckpoint, type Checkpoint } from "../../src/training/checkpoint.ts";
import { bits, temporaryFolder } from "./support.ts";

const size = 10;
const buffer = (seed: number): Float32Array => Float32Array.from({ length: size }, (_, i) => Math.sin(seed + i) * 10 ** (i - 5));
const checkpoint: Checkpoint = {
  state: { parameters: buffer(1), ema: buffer(2), first: buffer(3), second: Float32Array.of(-0, 1e-45, ...buffer(4).slice(2)) },
  step: 7,
  tokens: 2 ** 40 + 1,
  seconds: 1.5,
  seed: 2 ** 50 + 1,
  data: { seed: 2 ** 50 + 1, count: 99, positions: [{ length: 8, epoch: 2, index: 3 }] },
};

test("comes back bit for bit, large counts included", async () => {
  const folder = temporaryFolder();
  expect(await hasCheckpoint(folder)).toBe(false);
  await writeCheckpoint(folder, checkpoint);
  expect(await hasCheckpoint(folder)).toBe(true);
  const { state, ...rest } = await readCheckpoint(folder, size);
  const { state: original, ...expected } = checkpoint;
  expect(rest).toEqual(expected);
  for (const key of ["parameters", "ema", "first", "second"] as const) expect(bits(state[key])).toEqual(bits(original[key]));
});

test("every cut, another size and foreign files are UserErrors that name the file", async () => {
  const folder = temporaryFolder();
  const path = join(folder, "checkpoint.safetensors");
  await writeCheckpoint(folder, checkpoint);
  const whole = readFileSync(path);
  const refused = async (message: RegExp, wanted = size): Promise<void> => {
    const error: unknown = await readCheckpoint(folder, wanted).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toMatch(message);
  };
  await refused(/parameters has 10 values, the recipe's network 11; resume with the recipe of this run/, 11);
  for (let length = 0; length < whole.length; length += 7) {
    writeFileSync(path, whole.subarray(0, length));
    await refused(/./);
  }
  const tensors = ["parameters", "ema", "first"].map((name) => ({ name, dtype: "F32" as const, shape: [size], data: buffer(1) }));
  await writeSafetensors(path, tensors);
  await refused(/not a training checkpoint of this project/);
  await writeSafetensors(path, tensors, { progress: "{" });
  await refused(/not a training checkpoint of this project/);
  const { state: _, ...progress } = checkpoint;
  await writeSafetensors(path, tensors, { progress: JSON.stringify(progress) });
  await refused(/has no tensor "second"/);
});

test("what killed writes left is removed, and nothing else", async () => {
  const folder = temporaryFolder();
  await writeCheckpoint(folder, checkpoint);
  writeFileSync(join(folder, ".checkpoint.safetensors.01234567-89ab-cdef-0123-456789abcdef.tmp"), "half");
  writeFileSync(join(folder, "notes.tmp"), "mine");
  await removeAborted(folder);
  expect(readdirSync(folder).sort()).toEqual(["checkpoint.safetensors", "notes.tmp"]);
});
