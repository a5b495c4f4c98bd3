/** What a `config.json` alone tells of whether its model loads: asked before gigabytes of weights are downloaded. */
import { readBertConfig, readGpt2Config } from "../formats/transformers-config.ts";
import { UserError } from "../platform/errors.ts";
import { readSeddConfig } from "./sedd-config.ts";

/**
 * @param where what errors call the file
 * @throws UserError for the configuration of a model that `load` does not open
 */
export function checkConfig(config: Readonly<Record<string, unknown>>, where: string): void {
  const { model_type: kind } = config;
  if (kind === undefined) readSeddConfig(config, where);
  else if (kind === "gpt2") readGpt2Config(config, where);
  else if (kind === "bert") readBertConfig(config, where);
  else throw new UserError(`${where}: model_type: ${JSON.stringify(kind)} is not supported; "gpt2" or "bert" is`);
}
