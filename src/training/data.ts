/**
 * The texts of a recipe as packed tokens in the run's folder. A fresh run makes its tokenizer and packs; a resumed one goes on with what it has,
 * and refuses other texts and another tokenizer.
 */
import { baseName, exists, fileSize, joinPath } from "#platform";
import { UserError } from "../platform/errors.ts";
import { packFiles, type PackedHeader } from "../text/packing.ts";
import { openTokens, type PackedSource } from "../text/source.ts";
import { fingerprint, loadTokenizer, parseTokenizer, type Tokenizer } from "../text/tokenizer.ts";
import { trainTokenizer } from "../text/train-tokenizer.ts";
import { lengthOf, type Recipe } from "./recipe.ts";

export interface TrainingData {
  readonly train: PackedSource;
  readonly valid: PackedSource;
}

export interface DataOptions {
  readonly recipe: Recipe;
  readonly out: string;
  /** Go on with the tokenizer and the tokens of the folder. */
  readonly resume?: boolean | undefined;
  /** The tokenizer.json of the model that training begins from: its tokens mean something only under its own tokenizer. */
  readonly given?: unknown;
  readonly signal?: AbortSignal | undefined;
  /** What is being done with the texts, and with how many of their bytes. */
  readonly onPreparing?: ((what: string, done: number, total: number) => void) | undefined;
}

/** Training and validation tokens. UserError for texts that are empty, too short, not UTF-8, or others than the run was begun with. */
export async function prepareData(tokenizer: Tokenizer, options: DataOptions): Promise<TrainingData> {
  const { recipe, out, resume } = options;
  const trainPath = joinPath(out, "train.tokens");
  const stored = resume ? await storedHeader(trainPath) : undefined;
  if (stored && !(await isOf(stored, recipe.data.train, tokenizer))) {
    const begun = stored.sources.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(", ");
    throw new UserError(
      `data.train: ${recipe.data.train.join(", ")}: not the text and tokenizer that this run was begun with: ${begun}; resume with those, or begin another run`,
    );
  }
  const data = {
    train: await packed(trainPath, recipe.data.train, tokenizer, options),
    valid: await packed(joinPath(out, "valid.tokens"), recipe.data.valid, tokenizer, options),
  };
  const longest = lengthOf(recipe);
  if (data.train.count < longest) {
    throw new UserError(
      `data.train: ${recipe.data.train.join(", ")}: ${data.train.count} tokens are fewer than one window of ${longest}; give more text or shorter windows`,
    );
  }
  return data;
}

async function packed(path: string, files: readonly string[], tokenizer: Tokenizer, options: DataOptions): Promise<PackedSource> {
  const { recipe, resume, signal, onPreparing } = options;
  const stored = resume ? await storedHeader(path) : undefined;
  if (!stored || !(await isOf(stored, files, tokenizer))) {
    const { separator } = recipe.data;
    await packFiles({
      ...{ files, tokenizer, out: path },
      onProgress: (done, total) => onPreparing?.("encoding the texts", done, total),
      ...(separator === undefined ? {} : { separator }),
      ...(signal ? { signal } : {}),
    });
  }
  return openTokens(path);
}

/** The tokenizer of a run. UserError for any text that is missing: to be heard of before hours of work on the rest. */
export async function prepareTokenizer({ recipe, out, resume, given, signal, onPreparing }: DataOptions): Promise<Tokenizer> {
  for (const file of [...recipe.data.train, ...recipe.data.valid]) await fileSize(file);
  if (resume) return loadTokenizer(joinPath(out, "tokenizer.json"));
  if (given !== undefined) return parseTokenizer(given, "--from: tokenizer.json");
  if (typeof recipe.tokenizer === "string") return loadTokenizer(recipe.tokenizer);
  const { kind, size, special } = recipe.tokenizer;
  return trainTokenizer({
    files: recipe.data.train,
    kind,
    onProgress: (done, total) => onPreparing?.("reading the texts for a tokenizer", done, total),
    ...(size === undefined ? {} : { size }),
    ...(special ? { special } : {}),
    ...(recipe.data.separator === undefined ? {} : { separator: recipe.data.separator }),
    ...(signal ? { signal } : {}),
  });
}

/** What a packed file says of itself; `undefined` where there is none, or a damaged one, which is then packed again. */
async function storedHeader(path: string): Promise<PackedHeader | undefined> {
  if (!(await exists(path))) return undefined;
  try {
    return (await openTokens(path)).header;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/** Whether a packed file was made from these files, by name and size, with this tokenizer. */
async function isOf(header: PackedHeader, files: readonly string[], tokenizer: Tokenizer): Promise<boolean> {
  if (header.tokenizer !== (await fingerprint(tokenizer)) || header.sources.length !== files.length) return false;
  for (const [i, source] of header.sources.entries()) {
    if (source.name !== baseName(files[i]!) || source.bytes !== (await fileSize(files[i]!))) return false;
  }
  return true;
}
