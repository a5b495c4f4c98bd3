/** `sedd playground`: the page as a folder of static files, with the runtime and models beside it: all that a plain web host needs. */
import { randomUUID } from "node:crypto";
import { copyFile, lstat, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { UserError } from "../platform/errors.ts";
import { codeOf, fileError } from "../platform/failures.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { collect } from "./options.ts";

/** What makes a folder one of ours: it lists every file that was written, and only these are ever replaced. */
const MARKER = "sedd-playground.json";

export const define: Define = (command, io) =>
  void command
    .argument("<dir>", "an empty or new folder, or one that this command wrote, which is replaced")
    .option("--model <M>", "a model's folder or shipped name, or ID=FOLDER; repeat for more (default: fairytales)", collect)
    .addHelpText(
      "after",
      `
The page computes in the browser. On a host that sends the headers Cross-Origin-Opener-Policy: same-origin and
Cross-Origin-Embedder-Policy: require-corp it runs as many threads as there are cores, on any other one. Example:
  sedd playground site && npx http-server site`,
    )
    .action((folder: string, { model }: { model?: string[] }) => run(folder, model, io));

async function run(folder: string, models: string[] | undefined, io: Io): Promise<void> {
  const [{ DEFAULT_MODEL }, { namesOf }] = await Promise.all([import("../model.ts"), import("../server/names.ts")]);
  const target = resolve(folder);
  const names = await namesOf(models ?? [DEFAULT_MODEL]);
  try {
    await checkFree(folder, target);
    // Written beside its place and moved there when it is whole.
    const staging = join(dirname(target), `.sedd-playground.${randomUUID()}.tmp`);
    try {
      await mkdir(staging, { recursive: true });
      await writeSite(staging, names, io.signal);
      await checkFree(folder, target);
      await swap(staging, target);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  } catch (error) {
    throw fileError("write the page to", folder, error);
  }
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

/** UserError unless there is nothing at the target but what this command wrote. */
async function checkFree(folder: string, target: string): Promise<void> {
  const there = await filesOf(target).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw error;
  });
  if (there.length === 0) return;
  const marker = await readFile(join(target, MARKER), "utf8").then(JSON.parse).catch(() => undefined); // prettier-ignore
  const { files: written = [] } = (marker ?? {}) as { files?: readonly string[] };
  const foreign = there.find(({ path }) => path !== MARKER && !written.includes(path));
  if (foreign) throw new UserError(`${folder}: holds ${foreign.path}, which this command did not write; give an empty or a new folder`);
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
  const files = (await filesOf(folder)).map(({ path }) => path);
  await writeFile(join(folder, MARKER), `${JSON.stringify({ files }, null, 1)}\n`);
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

/** Puts a folder into the place of another, which is back in it if that fails. */
async function swap(from: string, to: string): Promise<void> {
  const aside = `${from}.old`;
  const replaced = await rename(to, aside).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    },
  );
  try {
    await rename(from, to);
  } catch (error) {
    if (replaced) await rename(aside, to);
    throw error;
  }
  await rm(aside, { recursive: true, force: true });
}
