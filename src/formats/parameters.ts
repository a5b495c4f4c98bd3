/** The named tensors of a file as one flat buffer in a network's layout, after checking that they are that network's. */
import { UserError } from "../platform/errors.ts";
import type { Layout } from "../tensor/index.ts";
import type { NamedTensor } from "./hub.ts";

/**
 * @param where what errors call the folder
 * @throws UserError that names tensors missing or unknown, the first of another shape, or the first with a value that is no number
 */
export function flatParameters(tensors: ReadonlyMap<string, NamedTensor>, layout: Layout, where: string): Float32Array {
  const missing = layout.views.filter(({ name }) => !tensors.has(name)).map(({ name }) => name);
  const extra = [...tensors.keys()].filter((name) => !layout.has(name));
  const wrong = [...few("missing", missing), ...few("unknown", extra)];
  if (wrong.length > 0) throw new UserError(`${where}: the weights are not those of its config.json: ${wrong.join("; ")}`);
  // Before anything is allocated: what a config.json claims may be larger than any memory.
  for (const { name, shape } of layout.views) {
    const given = tensors.get(name)!.shape;
    if (given.join() !== shape.join())
      throw new UserError(`${where}: ${name} has shape [${given.join(", ")}], its config.json means [${shape.join(", ")}]`);
  }
  const parameters = layout.allocate();
  for (const { name, offset } of layout.views) {
    const { data } = tensors.get(name)!;
    const bad = data.find((value) => !Number.isFinite(value));
    if (bad !== undefined) throw new UserError(`${where}: ${name} holds ${bad}; the weights are damaged, or their training had diverged`);
    parameters.set(data, offset);
  }
  return parameters;
}

const few = (what: string, names: readonly string[]): string[] =>
  names.length === 0 ? [] : [`${what} ${names.slice(0, 5).join(", ")}${names.length > 5 ? ` and ${names.length - 5} more` : ""}`];
