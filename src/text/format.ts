/** The tokenizer.json format as far as we read and write it, and what several kinds of tokenizer ask of a text. */
import { z } from "zod";
import { UserError } from "../platform/errors.ts";

/** More tokens than any vocabulary has; a damaged id must not make us allocate gigabytes. */
const MAXIMUM_SIZE = 2 ** 22;

const addedToken = z.looseObject({
  id: z
    .int()
    .min(0)
    .max(MAXIMUM_SIZE - 1),
  content: z.string().min(1),
  lstrip: z.boolean().optional(),
  rstrip: z.boolean().optional(),
});
const part = z.looseObject({ type: z.string() }).nullable().default(null);
/** Kept as it is rather than copied: a token may be called "__proto__". */
const vocabulary = z.custom<Record<string, number>>(
  (value) =>
    typeof value === "object" && value !== null && Object.values(value).every((id) => Number.isInteger(id) && id >= 0 && id < MAXIMUM_SIZE),
  { error: `expected tokens with ids from 0 to ${MAXIMUM_SIZE - 1}` },
);
const merges = z.union([z.array(z.tuple([z.string(), z.string()])), z.array(z.string())]);

const around = {
  added_tokens: z
    .array(addedToken)
    .nullish()
    .transform((tokens) => tokens ?? []),
  normalizer: part,
  pre_tokenizer: part,
  post_processor: part,
  decoder: part,
};

const schema = z.looseObject({
  ...around,
  model: z.looseObject({
    type: z.string().default("BPE"), // GPT-2's own file names no type
    vocab: vocabulary,
    merges,
  }),
});

const wordPieceSchema = z.looseObject({
  ...around,
  model: z.looseObject({
    vocab: vocabulary,
    unk_token: z.string().default("[UNK]"),
    continuing_subword_prefix: z.string().min(1).default("##"),
  }),
});

export type TokenizerFile = z.infer<typeof schema>;
export type AddedToken = z.infer<typeof addedToken>;

/** The checked contents of a tokenizer.json with a BPE model and byte-level decoding, or without merges. */
export function tokenizerFile(json: unknown): TokenizerFile {
  const type = (json as { model?: { type?: unknown } } | null)?.model?.type;
  if (type !== undefined && type !== "BPE")
    throw new UserError(`model type ${JSON.stringify(type)} is not supported; expected "BPE" or "WordPiece"`);
  return checked(schema, json);
}

/** The checked contents of a tokenizer.json with a WordPiece model, whose vocabulary has the token for unknown words. */
export function wordPieceFile(json: unknown): z.infer<typeof wordPieceSchema> {
  const file = checked(wordPieceSchema, json);
  const { vocab, unk_token: unknown } = file.model;
  if (!Object.hasOwn(vocab, unknown)) throw new UserError(`the vocabulary lacks ${JSON.stringify(unknown)}, the token for unknown words`);
  return file;
}

function checked<T>(schema: z.ZodType<T>, json: unknown): T {
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new UserError(`not a tokenizer.json: ${issue.path.join(".") || "the whole"}: ${issue.message}`);
  }
  return parsed.data;
}

/** The parts of a file that a tokenizer does not use. */
export const emptyFile = {
  version: "1.0",
  truncation: null,
  padding: null,
  added_tokens: [] as object[],
  normalizer: null,
  pre_tokenizer: null as object | null,
  post_processor: null as object | null,
  decoder: null as object | null,
};

/** The parts of a BPE model that a tokenizer of ours does not use. */
export const emptyModel = {
  type: "BPE",
  dropout: null,
  unk_token: null,
  continuing_subword_prefix: null,
  end_of_word_suffix: null,
  fuse_unk: false,
  byte_fallback: false,
};

/** A JavaScript string can hold half of a surrogate pair, which no encoding of Unicode can spell. */
export function requireWellFormed(text: string): void {
  const at = text.search(/\p{Surrogate}/u);
  if (at < 0) return;
  const unit = text.charCodeAt(at).toString(16).toUpperCase();
  throw new UserError(
    `text: half of a surrogate pair (U+${unit}) at position ${at} is no Unicode text; remove it, or replace it by U+FFFD`,
  );
}

/** A text cut at the added tokens it spells out: strings, and ids of those tokens. The leftmost is taken, then the longest. */
export function sections(text: string, added: readonly AddedToken[]): (string | number)[] {
  if (added.length === 0) return text.length > 0 ? [text] : [];
  const longestFirst = added.toSorted((a, b) => b.content.length - a.content.length);
  const pattern = new RegExp(longestFirst.map((token) => token.content.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|"), "g");
  const result: (string | number)[] = [];
  let from = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > from) result.push(text.slice(from, match.index));
    result.push(added.find((token) => token.content === match[0])!.id);
    from = match.index + match[0].length;
  }
  if (from < text.length) result.push(text.slice(from));
  return result;
}

/** An entry of `added_tokens`: a token that merges never make, and that is found in a text before anything else. */
export const specialToken = (content: string, id: number): AddedToken & object => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
});

/**
 * `find` with the added tokens kept whole: it gets the last place it may return, and a check that a place lies in no added token. The limit
 * leaves room for an added token that the end of the text cuts.
 */
export function lastCutOutside(
  text: string,
  added: readonly AddedToken[],
  find: (limit: number, allowed: (at: number) => boolean) => number,
): number {
  if (added.length === 0) return find(text.length, () => true);
  const longest = Math.max(...added.map((token) => token.content.length));
  const inside = (at: number): boolean =>
    added.some(({ content }) => {
      const found = text.indexOf(content, Math.max(0, at - content.length + 1));
      return found >= 0 && found < at;
    });
  return find(text.length - longest + 1, (at) => !inside(at));
}
