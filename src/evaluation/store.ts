/** Measurements on the disk, one JSON file each, with what they depend on: another model, setting or code, and they are made again. */
import { dirName, exists, joinPath, makeFolder, readText, writeFileAtomic } from "#platform";
import { isObject } from "../formats/json.ts";

/** Plain data that says all that a measurement depends on, but for the code that makes it. */
export type Key = Readonly<Record<string, unknown>>;

/**
 * Version of the code that samples, scores and measures, kept by hand: one more when the same model and settings give other numbers than before. By the package's
 * version all would be made again at every release.
 */
const MEASURES = 4;

export interface Store {
  /** What the file `name`.json has for this key, or else what `measure` gives, which is kept. */
  remember<T>(name: string, key: Key, measure: () => Promise<T>): Promise<T>;
}

export function openStore(folder: string): Store {
  return {
    async remember(name, own, measure) {
      const key = { measures: MEASURES, ...own };
      const path = joinPath(folder, `${name}.json`);
      const kept = (await exists(path)) ? parseOrNothing(await readText(path)) : undefined;
      if (isObject(kept) && JSON.stringify(kept["key"]) === JSON.stringify(key))
        return kept["value"] as Awaited<ReturnType<typeof measure>>;
      const value = await measure();
      await makeFolder(dirName(path));
      await writeFileAtomic(path, `${JSON.stringify({ key, value }, null, 1)}\n`);
      return value;
    },
  };
}

/** What a JSON text holds; a file that was damaged, or not written here, counts as none. */
export function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
