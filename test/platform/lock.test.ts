import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { lockFolder } from "../../src/platform/lock.ts";

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sedd-lock-"));
  lock = join(folder, ".lock");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The number of a process that has ended. */
const deadProcess = (): number => spawnSync(process.execPath, ["-e", "0"]).pid;

/** Many tries at the same time: the releases of those that got the lock. All the others must say that the folder is in use. */
async function race(tries: number): Promise<(() => Promise<void>)[]> {
  const outcomes = await Promise.allSettled(Array.from({ length: tries }, () => lockFolder(folder)));
  return outcomes.flatMap((outcome) => {
    if (outcome.status === "fulfilled") return [outcome.value];
    expect(outcome.reason).toBeInstanceOf(UserError);
    expect((outcome.reason as UserError).message).toContain(`in use by process ${process.pid}`);
    return [];
  });
}

describe("lockFolder", () => {
  test("holds the process number until it is given back", async () => {
    const release = await lockFolder(folder);
    expect(readFileSync(lock, "utf8")).toMatch(new RegExp(`^${process.pid}\n`));
    await expect(lockFolder(folder)).rejects.toThrow(
      `folder ${folder} is in use by process ${process.pid}; choose another --out or stop it`,
    );
    await release();
    expect(readdirSync(folder)).toEqual([]);
    const again = await lockFolder(folder);
    await release(); // a second time: must not give back what another now holds
    expect(existsSync(lock)).toBe(true);
    await again();
  });

  test("its own lock is its own, whatever the clocks say", async () => {
    const release = await lockFolder(folder);
    utimesSync(lock, 0, 0); // as after a sleep that the process's uptime does not count
    await expect(lockFolder(folder)).rejects.toThrow(`in use by process ${process.pid}`);
    await release();
  });

  test("respects another living process", async () => {
    const other = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      writeFileSync(lock, `${other.pid}\n`);
      const refusal = await lockFolder(folder).then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(refusal).toBeInstanceOf(UserError);
      expect((refusal as UserError).message).toContain(`in use by process ${other.pid}`);
      expect(readdirSync(folder)).toEqual([".lock"]);
    } finally {
      other.kill();
    }
  });

  test.each([
    "a dead process",
    "a dead process with a word of its own",
    "an empty file",
    "something else",
    "an earlier process of our number",
  ])("takes over the lock of %s, once", async (owner) => {
    const contents: Record<string, string> = {
      "a dead process": `${deadProcess()}`,
      "a dead process with a word of its own": `${deadProcess()}\n01234567-89ab-cdef-0123-456789abcdef\n`,
      "an empty file": "",
      "something else": "hello",
      "an earlier process of our number": `${process.pid}\n`,
    };
    writeFileSync(lock, contents[owner]!);
    utimesSync(lock, 1, 1);
    const holders = await race(8);
    expect(holders).toHaveLength(1);
    expect(readFileSync(lock, "utf8")).toMatch(new RegExp(`^${process.pid}\n`));
    await holders[0]!();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a process that died while taking over does not stand in the way", async () => {
    const word = "01234567-89ab-cdef-0123-456789abcdef";
    writeFileSync(lock, `${deadProcess()}\n${word}\n`);
    writeFileSync(`${lock}.${word}`, `${deadProcess()}\n76543210-89ab-cdef-0123-456789abcdef\n`);
    const holders = await race(4);
    expect(holders).toHaveLength(1);
    await holders[0]!();
    expect(readdirSync(folder)).toEqual([]);
  });

  test("of many at the same moment, one gets it", async () => {
    for (let round = 0; round < 5; round++) {
      const holders = await race(8);
      expect(holders).toHaveLength(1);
      await holders[0]!();
    }
  });

  test("a folder that is not there", async () => {
    const missing = join(folder, "missing");
    await expect(lockFolder(missing)).rejects.toThrow(new UserError(`cannot lock ${missing}: there is no such file or folder`));
  });
});
