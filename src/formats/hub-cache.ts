/**
 * Where models of a hub are kept (Node only): a folder each, and in it a record of the files that came, which says last of all that they are all there.
 * How they come is hub-file.ts.
 */
import { cacheFolder, exists, fileSize, joinPath, list, lockFolder, makeFolder, readText, removeFile, writeFileAtomic } from "#platform";
import { FolderInUseError, UserError } from "../platform/errors.ts";
import { isObject, parseJsonObject } from "./json.ts";

export interface KeptFile {
  /** What the server called this state of the file. */
  readonly etag?: string;
  /** In bytes. */
  readonly size?: number;
}

export interface CachedModel {
  readonly folder: string;
  /** Whether all files are there. */
  readonly isComplete: boolean;
  /** What is known of a file, whole or half. */
  known(name: string): KeptFile | undefined;
  remember(name: string, file: KeptFile): Promise<void>;
  /** To be said when the model's files are there: from now on nobody asks the hub again. What else earlier tries began is of no use. */
  complete(names: readonly string[], commit: string | undefined): Promise<void>;
}

const RECORD = "download.json";

/** An id has no "--", so that no two have one folder. */
export const hubFolder = (id: string): string => joinPath(cacheFolder(), "hub", id.replace("/", "--"));

export async function openCached(folder: string): Promise<CachedModel> {
  const path = joinPath(folder, RECORD);
  const record = (await exists(path)) ? parseJsonObject(await readText(path), path) : {};
  const files = new Map(isObject(record["files"]) ? (Object.entries(record["files"]) as [string, KeptFile][]) : []);
  // Somebody may have removed what takes space.
  const there = await Promise.all([...files.keys()].map((name) => exists(joinPath(folder, name))));
  const write = (rest: object = {}): Promise<void> =>
    writeFileAtomic(path, `${JSON.stringify({ ...rest, files: Object.fromEntries(files) }, null, 1)}\n`);
  return {
    folder,
    isComplete: record["complete"] === true && there.every(Boolean),
    known: (name) => files.get(name),
    async remember(name, file) {
      files.set(name, file);
      await write();
    },
    async complete(names, commit) {
      for (const name of files.keys()) if (!names.includes(name)) files.delete(name);
      for (const name of await list(folder))
        if (!names.includes(name) && name !== RECORD && !name.startsWith(".lock")) await removeFile(joinPath(folder, name));
      await write({ complete: true, commit });
    },
  };
}

/** Milliseconds between two looks at a lock, and how long its holder may get nowhere. */
const LOOK = 100;
const PATIENCE = 60_000;

/**
 * Takes a folder, made if it is missing, for this load alone; waits for another that downloads into it.
 *
 * @throws UserError when the other gets nowhere for a minute; the signal's reason when it aborts
 */
export async function lockWhenFree(folder: string, signal: AbortSignal | undefined): Promise<() => Promise<void>> {
  let [before, since] = [-1, Date.now()];
  for (;;) {
    await makeFolder(folder);
    try {
      return await lockFolder(folder);
    } catch (error) {
      // The other may just have found that there is no such model, and taken the folder away.
      if ((await exists(folder)) && !(error instanceof FolderInUseError)) throw error;
    }
    const now = await bytesIn(folder);
    if (now !== before) [before, since] = [now, Date.now()];
    else if (Date.now() - since > PATIENCE)
      throw new UserError(
        `${folder}: another process downloads into it and gets nowhere; stop it, or delete ${joinPath(folder, ".lock")} if there is none`,
      );
    await new Promise((resolve) => setTimeout(resolve, LOOK));
    signal?.throwIfAborted();
  }
}

async function bytesIn(folder: string): Promise<number> {
  // Not the locks, which come and go with everyone who waits.
  const names = (await list(folder).catch(() => [])).filter((name) => !name.startsWith(".lock"));
  const sizes = await Promise.all(names.map((name) => fileSize(joinPath(folder, name)).catch(() => 0)));
  return sizes.reduce((sum, size) => sum + size, 0);
}
