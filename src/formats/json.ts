/** JSON as file formats need it: the error names the file, and a key given twice is one (`JSON.parse` takes the last and is silent). */
import { UserError, messageOf } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";

/** The value of a JSON text; `name` names the file in errors. A byte order mark is passed over. */
export function parseJson(text: string, name: string): unknown {
  const json = withoutMark(text);
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UserError(`${name} is not valid JSON: ${messageOf(error).replaceAll("\n", " ")}`);
  }
}

/** A JSON object; anything else is a UserError. */
export function parseJsonObject(text: string, name: string): Record<string, unknown> {
  const value = parseJson(text, name);
  if (!isObject(value)) throw new UserError(`${name} is not a JSON object`);
  return value;
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The first key that an object of a *valid* JSON text has twice, or `undefined`. */
export function repeatedKey(json: string): string | undefined {
  const open: (Set<string> | undefined)[] = []; // the keys seen in every open object; undefined for an open array
  const colon = /\s*:/y;
  for (let at = 0; at < json.length; at++) {
    const token = json[at]!;
    if (token === "{") open.push(new Set());
    else if (token === "[") open.push(undefined);
    else if (token === "}" || token === "]") open.pop();
    if (token !== '"') continue;
    const begin = at;
    // Step by step: a regular expression for strings needs stack for each of their characters.
    while (json[++at] !== '"') if (json[at] === "\\") at++;
    // In valid JSON a string is a key exactly if a colon follows it.
    colon.lastIndex = at + 1;
    if (!colon.test(json)) continue;
    const key = JSON.parse(json.slice(begin, at + 1)) as string;
    const keys = open.at(-1)!;
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return undefined;
}
