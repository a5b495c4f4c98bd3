/** `sedd playground`: the page as a folder of static files, with the runtime and models beside it: all that a plain web host needs. */
import { randomUUID } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { lockFolder } from "#platform";
import { isObject } from "../formats/json.ts";
import { UserError } from "../platform/errors.ts";
import { codeOf, fileError } from "../platform/failures.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { collect, filled } from "./options.ts";

/** What makes a folder one of ours: it lists every file that was written, and only these are ever replaced. */
const MARKER = "sedd-playground.json";
/** Of the process that fills the folder. */
const LOCK = ".lock";
/** In which a site is put together: in its own folder, so that both are on one disk. A killed run leaves it there, and what is in it is ours as well. */
const STAGING = /^\.sedd-playground\.[\da-f-]{36}\.tmp(?=\/|$)/;

export const define: Define = (command, io) =>
  void command
    .argument("<dir>", "an empty or new folder, or one that this command wrote, whose files are replaced", filled("<dir>", "site"))
    .option(
      "--model <M>",
      "a model's folder, shipped name or id on the hub (owner/name), or ID=FOLDER; repeat for more (default: fairytales)",
      collect,
    )
    .addHelpText(
      "after",
      `
The page computes in the browser. On a host that sends the headers Cross-Origin-Opener-Policy: same-origin and
Cross-Origin-Embedder-Policy: require-corp it runs as many threads as there are cores, on any other one. Example:
  sedd playground site && npx http-server site`,
    )
    .action((folder: string, { model }: { model?: string[] }) => run(folder, model, io));

async function run(folder: string, models: string[] | undefined, io: Io): Promise<void> {
  const [{ DEFAULT_MODEL }, { namesOf }, { showingDownloads }] = await Promise.all([
    import("../model.ts"),
    import("../server/names.ts"),
    import("./download-progress.ts"),
  ]);
  const names = await showingDownloads(io.stderr, (onProgress) => namesOf(models ?? [DEFAULT_MODEL], { signal: io.signal, onProgress }));
  const target = await write(folder, names, io.signal).catch((error: unknown) => {
    throw fileError("write the page to", folder, error);
  });
  const files = await filesOf(target);
  const tell = (what: string, own: readonly File[]): void => {
    const bytes = own.reduce((sum, { size }) => sum + size, 0);
    io.stdout.write(`${what.padEnd(24)} ${(bytes / 1e6).toFixed(2).padStart(7)} MB in ${own.length} files\n`);
  };
  for (const part of new Set(files.map(partOf)))
    tell(
      part,
      files.filter((file) => partOf(file) === part),
    );
  tell(folder, files);
}

interface File {
  /** Below the folder, with slashes. */
  readonly path: string;
  readonly size: number;
}

/** Every file below a folder, by name. */
async function filesOf(folder: string): Promise<File[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(
    files.sort().map(async (file) => ({ path: relative(folder, file).replaceAll("\\", "/"), size: (await lstat(file)).size })),
  );
}

const partOf = ({ path }: File): string => /^models\/[^/]+(?=\/)|^runtime(?=\/)/.exec(path)?.[0] ?? "page";

/** The files of an earlier run at the target; UserError if there is anything that this command did not write. */
async function checkFree(folder: string, target: string): Promise<string[]> {
  const files = await filesOf(target).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  const there = files.map(({ path }) => path).filter((path) => path !== MARKER && path !== LOCK && !STAGING.test(path));
  if (there.length === 0) return there;
  const marker: unknown = await readFile(join(target, MARKER), "utf8").then(JSON.parse).catch(() => undefined); // prettier-ignore
  const written: unknown = isObject(marker) ? marker["files"] : undefined;
  const foreign = there.find((path) => !Array.isArray(written) || !written.includes(path));
  if (foreign !== undefined)
    throw new UserError(`${folder}: holds ${foreign}, which this command did not write; give an empty or a new folder`);
  return there;
}

/**
 * Fills a folder, which stays the same one: it may be a link, a disk of its own, or where a shell stands. The files are made beside their places and moved there
 * when all of them are whole.
 *
 * @returns its absolute path
 */
async function write(folder: string, models: ReadonlyMap<string, string>, signal: AbortSignal): Promise<string> {
  const target = resolve(folder);
  await checkFree(folder, target);
  const made = await mkdir(target, { recursive: true });
  const unlock = await lockFolder(target);
  const staging = join(target, `.sedd-playground.${randomUUID()}.tmp`);
  try {
    await mkdir(staging);
    await writeSite(staging, models, signal);
    await replace(staging, target, await checkFree(folder, target));
  } finally {
    await rm(staging, { recursive: true, force: true });
    await unlock();
    if (made !== undefined) await removeEmpty(target, dirname(made)); // nothing came of it
  }
  return target;
}

/** Moves a site that is whole to its place, and removes what was there before and is no part of it. */
async function replace(staging: string, target: string, old: readonly string[]): Promise<void> {
  const files = (await filesOf(staging)).map(({ path }) => path);
  const mark = async (written: readonly string[]): Promise<void> => {
    await writeFile(join(staging, MARKER), `${JSON.stringify({ files: written }, null, 1)}\n`);
    await rename(join(staging, MARKER), join(target, MARKER));
  };
  // Old and new files are ours until the last of them is in its place: after a run that is stopped here another can follow.
  await mark([...new Set([...old, ...files])]);
  for (const path of files) {
    await mkdir(dirname(join(target, path)), { recursive: true });
    await rename(join(staging, path), join(target, path));
  }
  for (const path of old.filter((path) => !files.includes(path))) {
    await rm(join(target, path));
    await removeEmpty(dirname(join(target, path)), target);
  }
  await mark(files);
  for (const name of await readdir(target)) if (STAGING.test(name)) await rm(join(target, name), { recursive: true, force: true });
}

/** Removes a folder and those above it, as far as nothing is in them; `top` stays. */
async function removeEmpty(folder: string, top: string): Promise<void> {
  for (let at = folder; at !== top; at = dirname(at)) {
    const removed = await rmdir(at).then(
      () => true,
      () => false,
    );
    if (!removed) return;
  }
}

async function writeSite(folder: string, models: ReadonlyMap<string, string>, signal: AbortSignal): Promise<void> {
  const { builtPage, modelIndex, runtimeFiles, runtimeFolder } = await import("../server/page-files.ts");
  const page = builtPage();
  const built = await filesOf(page).catch(() => []);
  if (!built.some(({ path }) => path === "index.html"))
    throw new UserError("this package has no built page (dist/playground); in a checkout, npm run build makes it");
  const copy = async (from: string, to: string): Promise<void> => {
    signal.throwIfAborted();
    await mkdir(dirname(join(folder, to)), { recursive: true });
    await copyFile(from, join(folder, to));
  };
  for (const { path } of built) await copy(join(page, path), path);
  for (const name of runtimeFiles) await copy(join(runtimeFolder(), name), `runtime/${name}`);
  const written = new Map([...models.keys()].map((name) => [name, join(folder, "models", name)] as const));
  for (const [name, to] of written) {
    signal.throwIfAborted();
    await writeModel(name, models.get(name)!, to);
  }
  await writeFile(join(folder, "models", "index.json"), await modelIndex(written));
}

/** A model as browsers load it: of any folder that `load` opens. */
async function writeModel(name: string, path: string, to: string): Promise<void> {
  const [{ findModel, readModel, saveModel }, { modelFiles }] = await Promise.all([
    import("../model.ts"),
    import("../server/page-files.ts"),
  ]);
  if (!/^[\w-][\w.-]*$/.test(name))
    throw new UserError(`model ${path}: ${JSON.stringify(name)} is no name for an address; name it, for example --model mine=${path}`);
  const folder = await findModel(path);
  const there = await readdir(folder);
  if (modelFiles.every((file) => there.includes(file))) {
    await mkdir(to, { recursive: true });
    for (const file of modelFiles) await copyFile(join(folder, file), join(to, file));
    return;
  }
  const stored = await readModel(folder);
  if (!stored.tokenizer) throw new UserError(`model ${path}: has no tokenizer.json, and the page writes texts`);
  await saveModel(to, stored);
}
