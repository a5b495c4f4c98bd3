/**
 * One process at a time in a folder (Node only): a file `.lock` with the process number and, in a second line, a word that no other lock has.
 * A lock appears with its content in one step (`link`), and a dead process's lock is replaced in one step (`rename`) by the only process that holds a
 * lock on *that very lock*. So of any number of processes that find it dead at the same moment, one gets it.
 */
import { randomUUID } from "node:crypto";
import { link, readFile, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { FolderInUseError } from "./errors.ts";
import { codeOf, fileError } from "./failures.ts";

/** Takes a folder; see {@link import("./types.ts").Platform.lockFolder}. */
export async function lockFolder(folder: string): Promise<() => Promise<void>> {
  const path = join(folder, ".lock");
  try {
    const taken = await acquire(path);
    if (typeof taken === "function") return taken;
    throw new FolderInUseError(
      `folder ${folder} is in use by process ${taken}; choose another --out or stop it (if that process is something else, delete ${path})`,
    );
  } catch (error) {
    throw fileError("lock", folder, error);
  }
}

/** Words of the locks that this thread holds. */
const held = new Set<string>();

/** Creates the lock file and returns what removes it, or the number of the living process that has it. */
async function acquire(path: string): Promise<(() => Promise<void>) | number> {
  const word = randomUUID();
  const content = `${process.pid}\n${word}\n`;
  const draft = `${path}.${word}`;
  const taken = (): (() => Promise<void>) => {
    held.add(word);
    return async () => {
      await removeIf(path, content);
      held.delete(word);
    };
  };
  await writeFile(draft, content, { flag: "wx" });
  try {
    for (;;) {
      if (await create(draft, path, content)) return taken();
      const present = await settledContent(path);
      if (present === undefined) continue; // just given back
      const owner = await livingOwner(path, present);
      if (owner !== undefined) return owner;
      // Dead. Whoever holds a lock named after this very lock may replace it; that lock is taken in the same way, should its owner have died too.
      const claim = await acquire(`${path}.${wordOf(present)}`);
      if (typeof claim === "number") {
        await sleep(20); // another process is replacing it: look again
        continue;
      }
      try {
        if ((await contentOf(path)) !== present) continue; // replaced before we had the claim
        await rename(draft, path);
        return taken();
      } finally {
        await claim();
      }
    }
  } finally {
    await unlink(draft).catch(() => undefined); // linked, renamed away, or of no use
  }
}

/** Makes `path` with its content unless it exists. */
async function create(draft: string, path: string, content: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
  }
  try {
    await writeFile(path, content, { flag: "wx" }); // a file system without hard links: empty for an instant, see settledContent
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** The content; an empty file gets a second to be written. */
async function settledContent(path: string): Promise<string | undefined> {
  let content = await contentOf(path);
  for (let i = 0; content === "" && i < 20; i++) {
    await sleep(50);
    content = await contentOf(path);
  }
  return content;
}

/** A name for this lock that no other lock of the folder has, fit for a file name. */
function wordOf(content: string): string {
  return /^\d+\n([0-9a-f-]{36})\n$/.exec(content)?.[1] ?? "foreign";
}

/** The process that a lock names, if it lives. */
async function livingOwner(path: string, content: string): Promise<number | undefined> {
  const owner = Number(/^\d{1,10}/.exec(content)?.[0] ?? "0");
  if (owner === 0 || owner > 0x7fffffff) return undefined;
  if (owner === process.pid) {
    if (held.has(wordOf(content))) return owner;
    // Another thread's, or that of an earlier process of the same number (a restarted container): then the lock is older than this process. (Its uptime may leave
    // out a sleep of the machine, so that our own go by their words.)
    const locked = await stat(path).then(
      (file) => file.mtimeMs,
      () => 0,
    );
    return locked < Date.now() - process.uptime() * 1000 - 1000 ? undefined : owner;
  }
  try {
    process.kill(owner, 0); // signal 0 only asks
    return owner;
  } catch (error) {
    return codeOf(error) === "ESRCH" ? undefined : owner; // EPERM: it lives and is another user's
  }
}

async function removeIf(path: string, content: string): Promise<void> {
  if ((await contentOf(path).catch(() => undefined)) === content) await unlink(path).catch(() => undefined);
}
