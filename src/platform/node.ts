/**
 * The machine as Node sees it: files, folders, cores, turns of the event loop. One of the two implementations of `Platform` (types.ts documents each
 * function); it knows nothing of what the files hold.
 */
import { constants } from "node:buffer";
import type { Stats } from "node:fs";
import { randomUUID } from "node:crypto";
import * as fs from "node:fs/promises";
import { availableParallelism, cpus, homedir } from "node:os";
import { basename, dirname, isAbsolute, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { UserError } from "./errors.ts";
import { codeOf, fileError } from "./failures.ts";
import type { FileData, OpenedFile, OpenOptions } from "./types.ts";
import { fileText } from "./utf8.ts";

export { lockFolder } from "./lock.ts";
export { openPartial, partialSize } from "./partial-file.ts";

/** `fs.readFile` refuses files of 2 GiB and more; those are read in ranges. */
const longestSingleRead = 2 ** 31 - 1;

export async function readFile(path: string): Promise<Uint8Array> {
  try {
    const info = await fs.stat(path);
    if (info.isFile() && info.size > longestSingleRead) return await readRange(path, 0, info.size);
    const buffer = await fs.readFile(path);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength); // a Buffer's slice() shares memory, an array's does not
  } catch (error) {
    throw fileError("read", path, error);
  }
}

export async function readText(path: string): Promise<string> {
  const bytes = await readFile(path);
  if (bytes.length > constants.MAX_STRING_LENGTH)
    throw new UserError(`${path} holds ${bytes.length} bytes, too many for one text; split the file`);
  return fileText(path, bytes);
}

export const readRange = (path: string, offset: number, length: number): Promise<Uint8Array> => readPart(path, offset, length);

/** @param opened what the file was when its first part was read: another one under its name has its parts elsewhere */
async function readPart(path: string, offset: number, length: number, opened?: string): Promise<Uint8Array> {
  try {
    const file = await fs.open(path, "r");
    try {
      const stats = await file.stat();
      const { size } = stats;
      if (opened !== undefined && identityOf(stats) !== opened) throw new UserError(`${path} was replaced while it was read; try again`);
      if (offset + length > size) {
        throw new UserError(`${path} ends at byte ${size}, but bytes ${offset} to ${offset + length} are needed: the file is incomplete`);
      }
      const bytes = new Uint8Array(length);
      for (let done = 0; done < length;) {
        const { bytesRead } = await file.read(bytes, done, Math.min(length - done, 2 ** 30), offset + done);
        if (bytesRead === 0) throw new UserError(`${path} became shorter while it was read`);
        done += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError("read", path, error);
  }
}

export async function openFile(path: string, { onProgress }: OpenOptions = {}): Promise<OpenedFile> {
  const size = await fileSize(path);
  onProgress?.({ file: baseName(path), loaded: size, total: size });
  const opened = identityOf(await fs.stat(path));
  return { size, read: (offset, length) => readPart(path, offset, length, opened) };
}

const identityOf = ({ ino, size, mtimeMs }: Stats): string => `${ino} ${size} ${mtimeMs}`;

export async function fileSize(path: string): Promise<number> {
  const found = await fs.stat(path).catch((error: unknown) => {
    throw fileError("read", path, error);
  });
  // Whoever asks reads it in pieces or more than once; and its size, 0, would pass for an empty file's.
  if (!found.isFile() && !found.isDirectory())
    throw new UserError(`cannot read ${path}: it is a pipe or a device, and is read more than once; write it to a file first`);
  return found.size;
}

export async function exists(path: string): Promise<boolean> {
  return fs.stat(path).then(
    () => true,
    () => false,
  );
}

export async function isFolder(path: string): Promise<boolean> {
  return fs.stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

export async function list(folder: string): Promise<string[]> {
  try {
    return (await fs.readdir(folder)).sort();
  } catch (error) {
    throw fileError("list", folder, error);
  }
}

export async function makeFolder(path: string): Promise<void> {
  try {
    await makeWithParents(path);
  } catch (error) {
    throw fileError("make the folder", path, error);
  }
}

/** Node's own (`recursive: true`) never ends where a folder that is there lets none be made, as in /proc. */
async function makeWithParents(path: string): Promise<void> {
  try {
    await fs.mkdir(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === "EEXIST" && (await isFolder(path))) return;
    const parent = dirname(path);
    if (code !== "ENOENT" || parent === path || (await exists(parent))) throw error;
    await makeWithParents(parent);
    await makeWithParents(path);
  }
}

export async function writeFileAtomic(path: string, data: FileData): Promise<void> {
  const present = await fs.stat(path).catch(() => undefined);
  // A pipe or a device is not to be replaced by a file.
  if (present && !present.isFile() && !present.isDirectory()) return writeInto(path, data);
  // A link stays one: what it leads to is replaced.
  if (present) path = await fs.realpath(path).catch(() => path);
  const beside = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`);
  try {
    const file = await fs.open(beside, "wx");
    try {
      await fs.writeFile(file, data);
      await file.sync();
    } finally {
      await file.close();
    }
    await fs.rename(beside, path);
  } catch (error) {
    await fs.rm(beside, { force: true }).catch(() => undefined);
    throw fileError("write", path, error);
  }
  await syncFolder(dirname(path));
}

async function writeInto(path: string, data: FileData): Promise<void> {
  try {
    await fs.writeFile(path, data);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

/** Makes a rename last through a power cut, where folders can be synced (not on Windows). */
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await fs.open(folder, "r");
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
  }
}

export async function removeFile(path: string): Promise<void> {
  try {
    await fs.rm(path, { force: true });
  } catch (error) {
    throw fileError("remove", path, error);
  }
}

export const removeIfEmpty = (folder: string): Promise<void> => fs.rmdir(folder).catch(() => undefined);

export async function appendLine(path: string, line: string): Promise<void> {
  try {
    await fs.appendFile(path, `${line}\n`);
  } catch (error) {
    throw fileError("write", path, error);
  }
}

export const joinPath = (...parts: string[]): string => join(...parts);
export const baseName = (path: string): string => basename(path);
export const dirName = (path: string): string => dirname(path);
export const cores = (): number => availableParallelism();
export const machine = (): string => `${cpus()[0]?.model.trim() || "unknown processor"}, ${cores()} cores`;
export const macrotask = (): Promise<void> => setImmediate();
export function cacheFolder(): string {
  const { SEDD_CACHE: own, XDG_CACHE_HOME: shared } = process.env;
  if (own) return own;
  // A relative one counts as none: https://specifications.freedesktop.org/basedir-spec
  return join(shared && isAbsolute(shared) ? shared : join(homedir(), ".cache"), "sedd");
}

/** Two folders above this file, in `src/` and in `dist/` alike. */
export const packageFolder = (): string => fileURLToPath(new URL("../../", import.meta.url));
export const inBrowser = false;
