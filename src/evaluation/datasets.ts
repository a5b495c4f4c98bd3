/** The sets that the SEDD paper measures perplexity on: how their files are read into rows, what a file must look like, which split the paper took. */
import { UserError } from "../platform/errors.ts";
import { detokenizers } from "./detokenize.ts";

export interface Dataset {
  readonly title: string;
  /** The split that the paper took, and how many rows its published file has (text8: characters). */
  readonly split: string;
  readonly size: number;
  /** The form in which the paper's code gets the set, and the form of a file. */
  readonly form: string;
  readonly formOf: (text: string) => string;
  /** What is asked of a file, for errors. */
  readonly expected: string;
  /** The rows of a file as the paper's code gets them, not yet detokenized. SyntaxError where it is no JSON. */
  readonly rowsOf: (text: string) => string[];
  readonly looksRight: (rows: readonly string[], text: string) => boolean;
  /** None of text8, which is one text and no rows. */
  readonly detokenizer: keyof typeof detokenizers | undefined;
  /** What the paper reports. */
  readonly metric: "perplexity per token" | "bits per character";
  /** Tokens. */
  readonly window: number;
}

const lines = (text: string): string[] => text.replace(/\r?\n$/, "").split(/\r?\n/);
const trimmedLines = (text: string): string[] => lines(text).map((line) => line.trim());
const isJsonLines = (text: string): boolean => /^\s*\{/.test(text);

/** Whether more than a share of the rows that are not blank match. */
const mostly = (share: number, pattern: RegExp, rows: readonly string[]): boolean => {
  const filled = rows.filter((row) => row.trim() !== "");
  return filled.filter((row) => pattern.test(row)).length > share * filled.length;
};

const zeroShot = { metric: "perplexity per token", window: 1024 } as const;

const wikitext = {
  ...zeroShot,
  form: "raw",
  formOf: (text: string) => (mostly(0.1, /<unk>/, lines(text)) ? "word level, rare words as <unk>" : "raw"),
  expected: 'lines of words, articles begun by " = Title = " (wiki.*.raw or wiki.*.tokens)',
  rowsOf: (text: string) => lines(text).map((line) => (line.trim() === "" ? "" : `${line}\n`)),
  looksRight: (rows: readonly string[]) => rows.some((row) => /^ ?= .* =\s*$/.test(row)),
  detokenizer: "wikitext",
} as const;

export const datasets = {
  lambada: {
    ...zeroShot,
    title: "LAMBADA",
    split: "test",
    size: 5153,
    form: "JSON lines of untokenized text",
    formOf: (text) => (isJsonLines(text) ? "JSON lines of untokenized text" : "plain lines"),
    expected: 'a passage a line, plain or as {"text": "…"}',
    rowsOf: (text) =>
      isJsonLines(text) ? lines(text).flatMap((line) => (line.trim() === "" ? [] : [textOf(JSON.parse(line))])) : trimmedLines(text),
    looksRight: (rows) => mostly(0.9, /^\s*(\S+\s+){19,499}\S*$/, rows),
    detokenizer: "lambada",
  },
  wikitext2: { ...wikitext, title: "WikiText-2", split: "train", size: 36_718 },
  wikitext103: { ...wikitext, title: "WikiText-103", split: "test", size: 4358 },
  ptb: {
    ...zeroShot,
    title: "Penn Treebank",
    split: "test",
    size: 3761,
    form: "lower case, numbers as N",
    formOf: () => "lower case, numbers as N",
    expected: "a sentence a line in lower case, rare words as <unk> and numbers as N (ptb.test.txt)",
    rowsOf: trimmedLines,
    looksRight: (rows) => mostly(0.95, /^[^A-MO-Z]*$/, rows) && rows.some((row) => /<unk>|\bN\b/.test(row)),
    detokenizer: "ptb",
  },
  lm1b: {
    ...zeroShot,
    title: "One Billion Words",
    split: "test (the held-out files)",
    size: 306_688,
    form: "tokenized sentences",
    formOf: () => "tokenized sentences",
    expected: 'a sentence a line, spaces before its marks ("so it was ." of news.en.heldout-*)',
    rowsOf: trimmedLines,
    looksRight: (rows) => mostly(0.8, / [.!?][ "')]*$/, rows),
    detokenizer: "lm1b",
  },
  text8: {
    title: "text8",
    split: "test (the last 5 %)",
    size: 100_000_000,
    form: "a to z and spaces",
    formOf: () => "a to z and spaces",
    expected: "letters a to z and single spaces, on one line (text8, of which the last 5 % are scored)",
    rowsOf: (text) => [text.trimEnd().slice(-Math.max(1, Math.round(text.trimEnd().length / 20)))],
    looksRight: (_, text) => !/[^a-z ]/.test(text.trimEnd()),
    detokenizer: undefined,
    metric: "bits per character",
    window: 256,
  },
} as const satisfies Record<string, Dataset>;

export type DatasetName = keyof typeof datasets;
export const datasetNames = Object.keys(datasets) as DatasetName[];

const textOf = (value: unknown): string => {
  const text = (value as { text?: unknown } | null)?.text;
  if (typeof text !== "string") throw new SyntaxError("no text in it");
  return text;
};

/** The text of a set as models read it. */
export interface DatasetText {
  readonly set: Dataset;
  /** Detokenized. */
  readonly rows: readonly string[];
  readonly form: string;
  /** Of the whole file: rows (text8: characters). */
  readonly size: number;
}

/** UserError where the file, which errors call `--data FILE`, does not look like the set. */
export function readDataset(name: DatasetName, text: string, file: string): DatasetText {
  const set: Dataset = datasets[name];
  let raw: string[];
  try {
    raw = set.rowsOf(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    raw = [];
  }
  if (!raw.some((row) => row.trim() !== "") || !set.looksRight(raw, text))
    throw new UserError(`--data ${file}: does not look like ${set.title}; expected ${set.expected}`);
  const rows = set.detokenizer ? raw.map(detokenizers[set.detokenizer]) : raw;
  return { set, rows, form: set.formOf(text), size: name === "text8" ? text.trimEnd().length : rows.length };
}
