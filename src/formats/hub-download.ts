/**
 * A model of a hub, by its id, as a folder of the cache (Node only): which files of it are needed, in which order they come, and when they are all there. How
 * one comes is hub-file.ts.
 */
import { joinPath, makeFolder, readText, removeIfEmpty } from "#platform";
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";
import { hubFolder, lockWhenFree, openCached, type CachedModel } from "./hub-cache.ts";
import { fetchFile } from "./hub-file.ts";
import { absent, repositoryOf, type Repository } from "./hub-request.ts";
import { candidates, readModelConfig, shardsOf } from "./hub.ts";

export interface HubOptions extends OpenOptions {
  /** Throws where a `config.json` is of no model that loads: before its weights are asked for. `where` is what errors call it. */
  readonly check: (config: Record<string, unknown>, where: string) => void;
}

/** Whether a name can be a hub's owner/name. "--" stands in no id of the hub, nor "-" or "." at an end of either part: so no part is one of folders, and no two ids have one. */
export const isHubId = (name: string): boolean => /^\w([\w.-]*\w)?\/\w([\w.-]*\w)?$/.test(name) && !name.includes("--");

/**
 * The folder of a hub's model, downloaded if it is not here yet. One that is here is not asked after again: remove the folder to have it anew.
 *
 * @throws UserError when there is no such model, it is of another kind, it does not come whole; the signal's reason when it aborts
 */
export async function hubModel(id: string, options: HubOptions): Promise<string> {
  const { env } = process;
  const folder = hubFolder(id);
  if ((await openCached(folder)).isComplete) return folder;
  if (/^(1|on|yes|true)$/i.test(env["HF_HUB_OFFLINE"] ?? ""))
    throw absent({ id }, `HF_HUB_OFFLINE is set, and it is not, or not all of it, in ${folder}`);
  const repository = repositoryOf(id, env);
  await makeFolder(folder).catch((error: unknown) => {
    throw error instanceof UserError
      ? absent({ id }, `${error.message}; SEDD_CACHE would name another place for what is downloaded`)
      : error;
  });
  const release = await lockWhenFree(folder, options.signal);
  try {
    const cached = await openCached(folder);
    // Another load may have brought it in the meantime.
    if (!cached.isComplete) await download(repository, cached, options);
  } finally {
    await release();
    await removeIfEmpty(folder); // a name mistyped leaves none
  }
  return folder;
}

async function download(repository: Repository, cached: CachedModel, { check, ...options }: HubOptions): Promise<void> {
  const { id, endpoint } = repository;
  const names: string[] = [];
  let state: string | undefined;
  const get = async (name: string): Promise<boolean> => {
    const { found, commit } = await fetchFile(repository, cached, name, options);
    if (!found) return false;
    names.push(name);
    state ??= commit;
    if (commit !== undefined && commit !== state)
      throw new UserError(`model ${id}: it changed at ${endpoint} while it was downloaded; load it again`);
    return true;
  };
  if (!(await get("config.json"))) throw absent(repository, `${endpoint} has no such model, or no config.json of it`);
  check(await readModelConfig(cached.folder), `model ${id}: config.json`);
  const weights = await firstOf(candidates, get);
  if (weights === undefined) throw new UserError(`model ${id}: ${endpoint} has no weights of it; one of ${candidates.join(", ")} would do`);
  // Beside others than these it has the moving average, which is what loads.
  if (!["model.safetensors", "checkpoint.pth"].includes(weights)) await get("checkpoint.pth");
  if (weights.endsWith(".json")) {
    const index = joinPath(cached.folder, weights);
    for (const shard of shardsOf(await readText(index), index)) {
      // Such a name cannot be that of a file of the cache's own.
      if (!/^\w[\w.-]*\.safetensors$/.test(shard))
        throw new UserError(`model ${id}: ${weights} names ${JSON.stringify(shard)}, which is no name of a part of the weights`);
      if (!(await get(shard))) throw new UserError(`model ${id}: ${endpoint} has no ${shard}, which its ${weights} names`);
    }
  }
  await tokenizer(get);
  await cached.complete(names, state);
}

/** The files of a tokenizer in the order in which text/folder.ts looks for them; there may be none. */
async function tokenizer(get: (name: string) => Promise<boolean>): Promise<void> {
  if (await get("tokenizer.json")) return;
  if ((await get("vocab.json")) && (await get("merges.txt"))) return;
  if (await get("vocab.txt")) await get("tokenizer_config.json");
}

async function firstOf(names: readonly string[], get: (name: string) => Promise<boolean>): Promise<string | undefined> {
  for (const name of names) if (await get(name)) return name;
  return undefined;
}
