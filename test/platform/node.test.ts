import { execFile, execFileSync } from "node:child_process";
import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import * as node from "../../src/platform/node.ts";
import type { Platform, Progress } from "../../src/platform/types.ts";

const platform: Platform = node; // the compiler checks that nothing is missing

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "sedd-platform-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The message of the UserError that a promise must end with: one line. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).not.toContain("\n");
  return (error as UserError).message;
}

describe("reading", () => {
  test("bytes, text, size and ranges", async () => {
    const path = join(folder, "a.txt");
    writeFileSync(path, "\uFEFFgrün 🐉\r\n");
    expect(await platform.readText(path)).toBe("\uFEFFgrün 🐉\r\n");
    const bytes = await platform.readFile(path);
    expect(bytes.constructor).toBe(Uint8Array);
    expect(bytes).toEqual(new Uint8Array(readFileSync(path)));
    expect(await platform.fileSize(path)).toBe(bytes.length);
    expect(await platform.readRange(path, 3, 4)).toEqual(bytes.slice(3, 7));
    const reports: Progress[] = [];
    const opened = await platform.openFile(path, { onProgress: (progress) => reports.push(progress) });
    expect([opened.size, await opened.read(3, 4)]).toEqual([bytes.length, bytes.slice(3, 7)]);
    expect(reports).toEqual([{ file: "a.txt", loaded: bytes.length, total: bytes.length }]);
    expect(await platform.readRange(path, bytes.length, 0)).toEqual(new Uint8Array(0));
  });

  test("a file that is replaced between two reads is refused: its parts are elsewhere", async () => {
    const path = join(folder, "replaced");
    await platform.writeFileAtomic(path, "12345");
    const opened = await platform.openFile(path);
    expect(await opened.read(0, 2)).toEqual(new TextEncoder().encode("12"));
    await platform.writeFileAtomic(path, "abcde");
    expect(await refusal(opened.read(2, 2))).toBe(`${path} was replaced while it was read; try again`);
  });

  test("invalid UTF-8 names the file and the offset", async () => {
    const path = join(folder, "latin1.txt");
    writeFileSync(path, Buffer.from("caf\u00e9 au lait", "latin1"));
    expect(await refusal(platform.readText(path))).toBe(`${path} is not UTF-8: invalid byte at offset 3; convert the file to UTF-8`);
  });

  test("a range beyond the end names the file and both ends", async () => {
    const path = join(folder, "short");
    writeFileSync(path, "12345");
    expect(await refusal(platform.readRange(path, 3, 4))).toBe(
      `${path} ends at byte 5, but bytes 3 to 7 are needed: the file is incomplete`,
    );
  });

  test("missing files and folders in the way", async () => {
    const missing = join(folder, "missing");
    for (const read of [platform.readFile, platform.readText, platform.fileSize, (path: string) => platform.readRange(path, 0, 1)]) {
      expect(await refusal(read(missing))).toBe(`cannot read ${missing}: there is no such file or folder`);
    }
    expect(await refusal(platform.readFile(folder))).toBe(`cannot read ${folder}: it is a folder, not a file`);
    expect(await refusal(platform.list(missing))).toBe(`cannot list ${missing}: there is no such file or folder`);
  });

  test("exists, isFolder, list", async () => {
    writeFileSync(join(folder, "b"), "");
    mkdirSync(join(folder, "a"));
    expect(await platform.list(folder)).toEqual(["a", "b"]);
    expect(await Promise.all(["a", "b", "c"].map((name) => platform.exists(join(folder, name))))).toEqual([true, true, false]);
    expect(await Promise.all(["a", "b", "c"].map((name) => platform.isFolder(join(folder, name))))).toEqual([true, false, false]);
  });
});

describe("writing", () => {
  test("makeFolder makes the folders above and leaves what is there", async () => {
    const deep = join(folder, "a", "b");
    await platform.makeFolder(deep);
    await platform.makeFolder(deep);
    expect(await platform.isFolder(deep)).toBe(true);
    writeFileSync(join(folder, "file"), "");
    expect(await refusal(platform.makeFolder(join(folder, "file", "b")))).toContain("a part of the path is a file");
    await Promise.all([1, 2, 3].map(() => platform.makeFolder(join(folder, "at", "the", "same", "time"))));
    await platform.makeFolder(folder);
    // A folder in which none can be made: Node's own way would try for ever.
    if (existsSync("/proc/self"))
      expect(await refusal(platform.makeFolder("/proc/nothing/here"))).toMatch(/^cannot make the folder \/proc\/nothing/);
  });

  test("removeFile removes what is there, and nothing is no error", async () => {
    const path = join(folder, "removed");
    writeFileSync(path, "");
    await platform.removeFile(path);
    await platform.removeFile(path);
    expect(await platform.exists(path)).toBe(false);
  });

  test("appendLine", async () => {
    const path = join(folder, "lines");
    await platform.appendLine(path, "one");
    await platform.appendLine(path, "zwölf");
    expect(readFileSync(path, "utf8")).toBe("one\nzwölf\n");
  });

  test("writeFileAtomic writes through links and into pipes, which stay what they are", async ({ skip }) => {
    skip(process.platform === "win32", "Windows has no named pipes in folders");
    const [target, link, pipe] = ["target", "link", "pipe"].map((name) => join(folder, name)) as [string, string, string];
    writeFileSync(target, "old");
    symlinkSync(target, link);
    await platform.writeFileAtomic(link, "new");
    expect(readFileSync(target, "utf8")).toBe("new");
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
    execFileSync("mkfifo", [pipe]);
    const read = promisify(execFile)("cat", [pipe]);
    await platform.writeFileAtomic(pipe, "through");
    expect((await read).stdout).toBe("through");
    expect(lstatSync(pipe).isFIFO()).toBe(true);
  });

  test("writeFileAtomic takes a text, bytes and pieces, and replaces", async () => {
    const path = join(folder, "file");
    await platform.writeFileAtomic(path, "grün");
    expect(readFileSync(path, "utf8")).toBe("grün");
    await platform.writeFileAtomic(path, Uint8Array.of(1, 2));
    expect([...readFileSync(path)]).toEqual([1, 2]);
    await platform.writeFileAtomic(path, [Uint8Array.of(3), new Uint8Array(0), Uint8Array.of(4, 5)]);
    expect([...readFileSync(path)]).toEqual([3, 4, 5]);
    await platform.writeFileAtomic(
      path,
      (async function* () {
        yield Uint8Array.of(6);
      })(),
    );
    expect([...readFileSync(path)]).toEqual([6]);
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test("a failure of the pieces leaves the old file and nothing else", async () => {
    const path = join(folder, "file");
    writeFileSync(path, "old");
    const pieces = function* () {
      yield new Uint8Array(100_000);
      throw new RangeError("no more");
    };
    await expect(platform.writeFileAtomic(path, pieces())).rejects.toThrow(new RangeError("no more"));
    expect(readFileSync(path, "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["file"]);
  });

  test("a folder in the way, or none to write into, is a UserError and leaves nothing", async () => {
    mkdirSync(join(folder, "taken"));
    expect(await refusal(platform.writeFileAtomic(join(folder, "taken"), "x"))).toBe(
      `cannot write ${join(folder, "taken")}: it is a folder, not a file`,
    );
    expect(await refusal(platform.writeFileAtomic(join(folder, "no", "file"), "x"))).toContain("there is no such file or folder");
    expect(readdirSync(folder)).toEqual(["taken"]);
  });

  test("a full disk is a UserError, and the old file is intact", async (context) => {
    try {
      execFileSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], { stdio: "ignore" });
    } catch {
      return context.skip("mounting a small disk is not permitted here");
    }
    try {
      const path = join(folder, "checkpoint");
      await platform.writeFileAtomic(path, "old");
      const data = Array.from({ length: 100 }, () => new Uint8Array(4096));
      expect(await refusal(platform.writeFileAtomic(path, data))).toBe(`cannot write ${path}: the disk is full`);
      expect(readFileSync(path, "utf8")).toBe("old");
      expect(readdirSync(folder)).toEqual(["checkpoint"]);
    } finally {
      execFileSync("umount", [folder]);
    }
  });
});

describe("the machine", () => {
  test("macrotask lets timers and immediates in", async () => {
    const seen: string[] = [];
    setTimeout(() => seen.push("timer"), 0);
    for (let turns = 0; !seen.includes("timer") && turns < 1e6; turns++) await platform.macrotask();
    expect(seen).toEqual(["timer"]);
  });

  test("paths, cores, package", async () => {
    expect(platform.joinPath("a", "b", "../c")).toBe(join("a", "c"));
    expect(platform.baseName("a/b.txt")).toBe("b.txt");
    expect(platform.dirName("a/b.txt")).toBe("a");
    expect(platform.cores()).toBeGreaterThan(0);
    expect(JSON.parse(await platform.readText(platform.joinPath(platform.packageFolder(), "package.json")))).toMatchObject({
      name: "sedd",
    });
  });
});
