import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { openPartial, partialSize } from "../../src/platform/node.ts";

let folder: string;
let path: string;
beforeEach(() => (path = join((folder = mkdtempSync(join(tmpdir(), "sedd-partial-"))), "file")));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

test("grows over several tries beside its place, and is moved there", async () => {
  expect(await partialSize(path)).toBe(0);
  const first = await openPartial(path, 0);
  await first.append(bytes(1, 2, 3));
  await first.append(bytes(4, 5));
  await first.close();
  expect([existsSync(path), await partialSize(path)]).toEqual([false, 5]);
  // Some of what came may not be wanted.
  const second = await openPartial(path, 4);
  await second.append(bytes(6));
  writeFileSync(path, "old");
  await second.finish();
  await second.close();
  expect([...readFileSync(path)]).toEqual([1, 2, 3, 4, 6]);
  expect(readdirSync(folder)).toEqual(["file"]);
});

test("begins anew with nothing kept", async () => {
  for (const value of [1, 2]) {
    const file = await openPartial(path, 0);
    await file.append(bytes(value));
    await file.close();
  }
  expect([...readFileSync(`${path}.part`)]).toEqual([2]);
});

const refusal = async (promise: Promise<unknown>): Promise<string> => {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as UserError).message;
};

test("what the disk refuses is one line", async () => {
  const missing = join(folder, "missing", "file");
  expect(await refusal(openPartial(missing, 0))).toBe(`cannot write ${missing}: there is no such file or folder`);
  mkdirSync(path);
  const file = await openPartial(path, 0);
  await file.append(bytes(1));
  expect(await refusal(file.finish())).toBe(`cannot write ${path}: it is a folder, not a file`);
  await file.close();
});

test("a full disk is one line, and what came before stays", async ({ skip }) => {
  skip(!existsSync("/dev/full"), "this system has no /dev/full");
  symlinkSync("/dev/full", `${path}.part`);
  const file = await openPartial(path, 0);
  expect(await refusal(file.append(bytes(1)))).toBe(`cannot write ${path}: the disk is full`);
  await file.close();
});
