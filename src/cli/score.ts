/** `sedd score`: how likely a piece of text is in its place, what else could stand there, and which of several candidates fits best. */
import { readText } from "#platform";
import { UserError } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";
import type { Ranking, Score } from "../objectives/sedd-model.ts";
import { printable } from "./cells.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { collect, filled, modelOptions, parseSeed, whole, type ModelOptions } from "./options.ts";
import { readTemplate } from "./read-template.ts";

interface Options extends ModelOptions {
  readonly candidate?: string[];
  readonly candidates?: string;
  readonly samples?: number;
  readonly seed?: number;
  readonly top?: number;
  readonly length?: number;
  readonly json?: true;
}

const example = 'sedd score "Once[[ upon a time]] there was a king"';

export const define: Define = (command, io) =>
  void modelOptions(
    command
      .argument(
        "[template]",
        "the text; [[ a word]] is judged given the rest (its space inside: tokens begin with it), [[3]] is a hole of which the law at each position is told, \\[[ is literal; - reads standard input",
      )
      .addHelpText(
        "after",
        `\nExamples:\n  ${example}\n  sedd score "The king had three[[1]]." --top 10\n  sedd score "The king had three[[ sons]]." --candidate " daughters" --candidate " foxes"`,
      ),
  )
    .option("--candidate <text>", "rank this text in the brackets' place; repeat for more; several places: a JSON list of texts", collect)
    .option("--candidates <file>", "the same from a file, one a line", filled("--candidates", "candidates.txt"))
    .option("--samples <N>", "noisy copies (default: 64)", whole("--samples", { min: 2, max: 1_000_000, example: 64 }))
    .option("--seed <S>", "of the noise (default: 0, so that scores compare)", parseSeed)
    .option("--top <N>", "likeliest tokens to list at each position (default: 5)", whole("--top", { min: 0, max: 1000, example: 10 }))
    .option(
      "--length <N>",
      "tokens in all, for holes written [[ ]] (default: the model's length)",
      whole("--length", { min: 1, max: 65_536, example: 128 }),
    )
    .option("--json", "print one JSON object")
    .action(async (given: string | undefined, options: Options) => run(await readTemplate(given, io, example), options, io));

async function run(
  template: string,
  { model: name, device, weights, threads, candidate, candidates, json, top, ...rest }: Options,
  io: Io,
): Promise<void> {
  const { signal } = io;
  const [{ load }, { parseQuery }, { showingDownloads }] = await Promise.all([
    import("../model.ts"),
    import("../diffusion/template.ts"),
    import("./download-progress.ts"),
  ]);
  const ranked = candidate !== undefined || candidates !== undefined;
  if (ranked && top !== undefined)
    throw new UserError(`--top ${top}: lists what else could stand there, and candidates are ranked without it; leave it out`);
  const lines = [...(candidate ?? []), ...(candidates === undefined ? [] : await linesOf(candidates))];
  const places = parseQuery(template).filter(({ kind }) => kind === "judged").length;
  const model = await showingDownloads(io.stderr, (onProgress) => load(name, { device, weights, threads, signal, onProgress }));
  try {
    const options = { ...rest, signal };
    const result = ranked
      ? await model.rank(
          template,
          lines.map((line) => partsOf(line, places)),
          options,
        )
      : await model.score(template, { ...options, top });
    signal.throwIfAborted();
    const text = json ? `${JSON.stringify(result)}\n` : "candidates" in result ? ranking(result) : score(result);
    io.stdout.write(io.stdout.isTTY ? printable(text) : text);
  } finally {
    await model.dispose();
  }
}

async function linesOf(file: string): Promise<string[]> {
  const lines = withoutMark(await readText(file))
    .split(/\r?\n/)
    .filter((line) => line !== "");
  if (lines.length === 0) throw new UserError(`--candidates ${file}: the file is empty; expected one candidate a line`);
  return lines;
}

/** A candidate for one place is the text itself; for several, a JSON list with a text for each. */
function partsOf(line: string, places: number): string[] {
  if (places <= 1) return [line];
  try {
    const parts: unknown = JSON.parse(line);
    if (Array.isArray(parts) && parts.every((part) => typeof part === "string")) return parts;
  } catch {
    // The error below says what is expected.
  }
  throw new UserError(
    `candidate ${line}: the template has ${places} places; expected a JSON list of ${places} texts, for example ["a","b"]`,
  );
}

function score({ bound, positions, protocol }: Score): string {
  const out: string[] = [];
  if (bound) {
    const { nats, standardError, tokenCount, natsPerToken } = bound;
    out.push(
      `-log p(text in brackets | rest)  ≤ ${nats.toFixed(3)} ± ${standardError.toFixed(3)} nats`,
      `${tokenCount} token${tokenCount > 1 ? "s" : ""}, ${natsPerToken.toFixed(3)} nats each; ${protocol.samples} samples, seed ${protocol.seed}${protocol.conditioning === "clamped" ? "; of the clamped process" : ""}`,
    );
  }
  if (positions.length > 0)
    out.push("", "given everything else, each token:", ...columns([["token", "nats", "entropy", "likeliest"], ...positions.map(row)]));
  return `${out.join("\n").trimStart()}\n`;
}

const row = ({ text, nats, entropy, top }: Score["positions"][number]): string[] => [
  text === undefined ? "[[ ]]" : JSON.stringify(text),
  nats === undefined ? "" : nats.toFixed(3),
  entropy.toFixed(3),
  top.map(({ text, probability }) => `${JSON.stringify(text)} ${probability.toFixed(3)}`).join("  "),
];

/** Candidates of several lengths are ranked together with what stands around them, and the table says so. */
function ranking({ candidates }: Ranking): string {
  const around = candidates.some(({ tokenCount }) => tokenCount !== candidates[0]!.tokenCount);
  const table = columns([
    ["", "nats", ...(around ? ["with its surroundings"] : []), "worse by", "candidate"],
    ...candidates.map(({ parts, nats, standardError, jointNats, difference, differenceError }, k) => [
      String(k + 1),
      `${nats.toFixed(3)} ± ${standardError.toFixed(3)}`,
      ...(around ? [jointNats.toFixed(3)] : []),
      k === 0 ? "" : `${difference.toFixed(3)} ± ${differenceError.toFixed(3)}`,
      parts.length === 1 ? JSON.stringify(parts[0]) : JSON.stringify(parts),
    ]),
  ]);
  const note = "\nThe candidates differ in length, so each is judged together with the tokens around it: worse by is of those.";
  return `${table.join("\n")}\n${around ? `${note}\n` : ""}`;
}

function columns(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, c) => Math.max(...rows.map((row) => row[c]!.length)));
  return rows.map((row) =>
    row
      .map((cell, c) => cell.padEnd(widths[c]!))
      .join("  ")
      .trimEnd(),
  );
}
