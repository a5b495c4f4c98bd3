/** Models by the names they are called by outside: the last name of their folder, or ID in ID=FOLDER. */
import { baseName } from "#platform";
import { findModel } from "../model.ts";
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";

/** Names to what `load` takes. UserError for a model that is not there, or two of one name. */
export async function namesOf(models: readonly string[], options: OpenOptions = {}): Promise<Map<string, string>> {
  const names = new Map<string, string>();
  for (const given of models) {
    const [, id, path] = /^([\w.-]+)=(.+)$/.exec(given) ?? [undefined, undefined, given];
    await findModel(path, options);
    const name = id ?? baseName(path);
    if (names.has(name))
      throw new UserError(`model ${given}: there is another model called ${name}; name it, for example --model other=${path}`);
    names.set(name, path);
  }
  return names;
}
