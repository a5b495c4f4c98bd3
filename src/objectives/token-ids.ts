/** Token ids as callers hold them: samples and JSON have plain arrays, the network has 32-bit integers. */
import { UserError } from "../platform/errors.ts";

/** @throws UserError for a value that is no whole number, which a cast would cut */
export function tokenIds(values: ArrayLike<number>, what: string): Int32Array {
  if (values instanceof Int32Array) return values;
  const ids = Int32Array.from(values);
  const wrong = ids.findIndex((id, i) => id !== values[i]);
  if (wrong >= 0) throw new UserError(`${what}: ${String(values[wrong])} at ${wrong} is no token id; ids are whole numbers`);
  return ids;
}
