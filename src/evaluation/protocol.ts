/**
 * The protocol by which the SEDD paper measured its zero-shot perplexities and its bits per character (arXiv:2310.16834, sections 5.1 and 5.2, appendix C.6;
 * what it leaves open, from data.py and losses.py of its released code), for any model, with a list of what differs from the paper.
 */
import { macrotask } from "#platform";
import type { Model } from "../model.ts";
import { fullWindows, type LikelihoodOptions, type TextLikelihood } from "../objectives/sedd-model.ts";
import { UserError } from "../platform/errors.ts";
import { UnknownCharacterError } from "../text/character.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { DatasetText } from "./datasets.ts";

export interface PaperProtocol {
  readonly name: "sedd-paper";
  readonly dataset: string;
  readonly split: string;
  readonly form: string;
  readonly detokenizer: string;
  readonly tokenizer: string;
  readonly endOfText: string;
  readonly packing: string;
  /** Tokens that filled no window. */
  readonly droppedTokens: number;
  /** Which of the numbers is the paper's. */
  readonly metric: string;
  /** One line each; none where a number is the paper's own in all but the noise. */
  readonly differences: readonly string[];
}

export interface PaperLikelihood extends TextLikelihood {
  readonly protocol: TextLikelihood["protocol"] & PaperProtocol;
}

/** The released code splits a set into so many shares of neighbouring rows, for as many processes, and cuts windows from so many rows at a time. */
const SHARES = 8;
const ROWS_AT_A_TIME = 1000;
const PAPER_SAMPLES = 1000;
const GPT2 = "GPT-2's, 50,257 tokens";

/**
 * The likelihood of a set by the paper's protocol. Counts are of what was scored: characters and bytes without end-of-text tokens, whose nats count.
 *
 * @param file what errors call the file
 * @throws UserError for a text that fills no window or has a character unknown to the model
 */
export async function paperLikelihood(
  model: Pick<Model, "tokenizer" | "length" | "likelihood">,
  text: DatasetText,
  file: string,
  options: LikelihoodOptions,
): Promise<PaperLikelihood> {
  const { set, form, size } = text;
  const { tokenizer } = model;
  const window = Math.min(set.window, model.length);
  const { windows, tokens, groups } = await cutWindows(text, tokenizer, window, file, options.signal);
  if (windows.length === 0) {
    const within = groups === 1 ? "" : ` in ${groups} groups of rows, of which each is cut by itself,`;
    throw new UserError(`--data ${file}: its tokens (${tokens})${within} fill no window of ${window}; give the whole of ${set.title}`);
  }
  const likelihood = (await model.likelihood(windows, options)) as TextLikelihood; // a tokenizer made these windows: they have text
  const { estimator, terms, samples, objective } = likelihood.protocol;
  const exact = objective === "ar"; // as the paper's GPT-2
  const byRows = set.detokenizer !== undefined;
  const whole = size === set.size;
  const count = (of: number): string => `${of.toLocaleString("en-US")} ${byRows ? "rows" : "characters"}`;
  const split = whole ? set.split : `unknown, ${count(size)}`;
  const named = nameOf(tokenizer);
  const rowEnd = byRows && tokenizer.endOfText === undefined ? "line break (the tokenizer has no end-of-text)" : "end-of-text";
  const settings: [what: string, here: string, paper: string][] = [
    ["split", split, whole ? set.split : `${set.split}, ${count(set.size)}`],
    ["form", form, set.form],
    ["tokenizer", named, byRows ? GPT2 : "27 characters"],
    ["end of a row", rowEnd, "end-of-text"],
    ["window", `${window} tokens`, `${set.window} tokens`],
  ];
  if (!exact)
    settings.push(
      [
        "estimator",
        `${estimator}: ${Object.keys(terms).join(" + ")}`,
        "loss at random times, in the released code from 0.001 on, no end terms",
      ],
      ["noisy copies of a window", String(samples), String(PAPER_SAMPLES)],
    );
  return {
    ...likelihood,
    protocol: {
      ...likelihood.protocol,
      name: "sedd-paper",
      dataset: set.title,
      split,
      form,
      detokenizer: set.detokenizer ?? "none",
      tokenizer: named,
      endOfText: byRows ? `${rowEnd} after every row, empty ones too` : "none",
      packing: byRows
        ? `${SHARES} shares of neighbouring rows, ${ROWS_AT_A_TIME} rows at a time joined and cut into windows of ${window} tokens; the rest dropped`
        : `one text, cut into windows of ${window} tokens; the rest dropped`,
      droppedTokens: tokens - likelihood.tokenCount,
      metric: set.metric,
      differences: settings.filter(([, here, paper]) => here !== paper).map(([what, here, paper]) => `${what}: ${here} (paper: ${paper})`),
    },
  };
}

/** GPT-2's is told by the two tokens of a text and its end-of-text. */
function nameOf(tokenizer: Tokenizer): string {
  const { kind, size, endOfText } = tokenizer;
  if (size === 50_257 && endOfText === 50_256 && tokenizer.encode("Hello world").join() === "15496,995") return GPT2;
  return kind === "character" ? `${size} characters` : `${kind} of ${size.toLocaleString("en-US")} tokens`;
}

async function cutWindows({ set, rows }: DatasetText, tokenizer: Tokenizer, window: number, file: string, signal?: AbortSignal) {
  const { endOfText } = tokenizer;
  const encode = (row: string, index: number): number[] => {
    try {
      if (!set.detokenizer) return [...tokenizer.encode(row)];
      return endOfText === undefined ? [...tokenizer.encode(row.replace(/\n?$/, "\n"))] : [...tokenizer.encode(row), endOfText];
    } catch (error) {
      throw error instanceof UnknownCharacterError ? error.within(`${file}, row ${index + 1}, detokenized`, 0) : error;
    }
  };
  const windows: Int32Array[] = [];
  let tokens = 0;
  const ranges = rowGroups(rows.length);
  for (const [from, to] of ranges) {
    await macrotask();
    signal?.throwIfAborted();
    const joined = Int32Array.from(rows.slice(from, to).flatMap((row, i) => encode(row, from + i)));
    tokens += joined.length;
    for (const full of fullWindows(joined, window)) windows.push(full);
  }
  return { windows, tokens, groups: ranges.length };
}

/** The ranges of rows from which windows are cut: equal shares, the first ones a row longer where the rows do not divide, each a batch of rows at a time. */
export function rowGroups(rows: number): [from: number, to: number][] {
  const groups: [number, number][] = [];
  const boundary = (share: number): number => share * Math.floor(rows / SHARES) + Math.min(share, rows % SHARES);
  for (let share = 0; share < SHARES; share++)
    for (let from = boundary(share), to = boundary(share + 1); from < to; from += ROWS_AT_A_TIME)
      groups.push([from, Math.min(from + ROWS_AT_A_TIME, to)]);
  return groups;
}
