/** YAML files; JSON is YAML, too. */
import { parse } from "yaml";
import { readText } from "#platform";
import { messageOf, UserError } from "../platform/errors.ts";

/** @throws UserError that names the file, or where the text is from */
export async function readYaml(path: string): Promise<unknown> {
  return parseYaml(await readText(path), path);
}

/** @param where said in the error */
export function parseYaml(text: string, where: string): unknown {
  try {
    return parse(text, { logLevel: "error" });
  } catch (error) {
    throw new UserError(`${where}: not YAML (${messageOf(error).split("\n")[0]})`);
  }
}
