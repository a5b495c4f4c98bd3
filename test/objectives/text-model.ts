/** A small random network with a tokenizer of its own, saved as a model folder: for tests of a model's verbs. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { saveModel } from "../../src/model.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { trainTokenizer, type TrainTokenizerOptions } from "../../src/text/train-tokenizer.ts";
import { configOf, parametersOf } from "./support.ts";

/** Absorb, `normalized`; the tokenizer is trained on the text. */
export async function saveTextModel(
  folder: string,
  text: string,
  { length, ...tokens }: Pick<TrainTokenizerOptions, "kind" | "size"> & { readonly length: number },
): Promise<Tokenizer> {
  const path = join(folder, "text.txt");
  writeFileSync(path, text);
  const tokenizer = await trainTokenizer({ files: [path], ...tokens });
  const base = configOf("normalized");
  const sedd = { ...base, network: { ...base.network, states: tokenizer.size + 1 } };
  await saveModel(folder, { config: { sedd, length }, parameters: parametersOf(sedd), tokenizer });
  return tokenizer;
}
