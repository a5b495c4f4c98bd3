/** The texts of a recipe as packed tokens in the run's folder: packed once, reused when neither files nor tokenizer have changed. */
import { baseName, exists, fileSize, joinPath, writeFileAtomic } from "#platform";
import { UserError } from "../platform/errors.ts";
import { packFiles } from "../text/packing.ts";
import { openTokens, type PackedSource } from "../text/source.ts";
import { fingerprint, loadTokenizer, parseTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { trainTokenizer } from "../text/train-tokenizer.ts";
import type { Recipe } from "./recipe.ts";

export interface TrainingData {
  readonly tokenizer: Tokenizer;
  readonly train: PackedSource;
  readonly valid: PackedSource;
}

/** @param given the tokenizer.json of the model that training begins from: its tokens mean something only under its own tokenizer */
export async function prepareData(recipe: Recipe, out: string, given?: unknown): Promise<TrainingData> {
  const tokenizer = await tokenizerOf(recipe, out, given);
  const packed = async (name: string, files: readonly string[]): Promise<PackedSource> => {
    const path = joinPath(out, `${name}.tokens`);
    if ((await exists(path)) && (await isCurrent(path, files, tokenizer))) return openTokens(path);
    await packFiles({ files, tokenizer, out: path, ...(recipe.data.separator === undefined ? {} : { separator: recipe.data.separator }) });
    return openTokens(path);
  };
  const data = { tokenizer, train: await packed("train", recipe.data.train), valid: await packed("valid", recipe.data.valid) };
  const longest = Math.max(...recipe.windows.map(({ length }) => length));
  if (data.train.count < longest) {
    throw new UserError(
      `data.train: ${data.train.count} tokens are fewer than one window of ${longest}; give more text or shorter windows`,
    );
  }
  return data;
}

async function tokenizerOf(recipe: Recipe, out: string, given: unknown): Promise<Tokenizer> {
  const path = joinPath(out, "tokenizer.json");
  if (given !== undefined) return saved(parseTokenizer(given));
  if (typeof recipe.tokenizer === "string") return saved(await loadTokenizer(recipe.tokenizer));
  if (await exists(path)) return loadTokenizer(path);
  const { kind, size, special } = recipe.tokenizer;
  return saved(
    await trainTokenizer({ files: recipe.data.train, kind, ...(size === undefined ? {} : { size }), ...(special ? { special } : {}) }),
  );

  async function saved(tokenizer: Tokenizer): Promise<Tokenizer> {
    await writeFileAtomic(path, `${JSON.stringify(tokenizer.toJSON(), null, 1)}\n`);
    return tokenizer;
  }
}

/** Whether a packed file was made from these files, by name and size, with this tokenizer. */
async function isCurrent(path: string, files: readonly string[], tokenizer: Tokenizer): Promise<boolean> {
  const { header } = await openTokens(path).catch((error: unknown) => {
    if (error instanceof UserError) return { header: undefined };
    throw error;
  });
  if (!header || header.tokenizer !== (await fingerprint(tokenizer)) || header.sources.length !== files.length) return false;
  for (const [i, source] of header.sources.entries()) {
    if (source.name !== baseName(files[i]!) || source.bytes !== (await fileSize(files[i]!))) return false;
  }
  return true;
}
