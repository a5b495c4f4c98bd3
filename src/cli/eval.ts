/**
 * `sedd eval`: the likelihood bound of a model on a text file, with every term, its error and its protocol; of two models, their difference. Of a benchmark's
 * file, by the protocol of the SEDD paper.
 */
import { readText } from "#platform";
import { Option } from "commander";
import { UserError } from "../platform/errors.ts";
import { withoutMark } from "../platform/utf8.ts";
import { datasetNames, readDataset, type DatasetName } from "../evaluation/datasets.ts";
import { kindOf } from "../evaluation/measures/likelihood.ts";
import type { Comparison } from "../objectives/sedd-comparison.ts";
import type { Estimator } from "../objectives/sedd-likelihood.ts";
import type { TextLikelihood } from "../objectives/sedd-model.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { filled, modelOptions, parseSeed, whole, type ModelOptions } from "./options.ts";

interface Options extends ModelOptions {
  readonly data: string;
  readonly estimator?: Estimator;
  readonly protocol?: "sedd-paper";
  readonly dataset?: DatasetName;
  readonly against?: string;
  readonly samples?: number;
  readonly seed?: number;
  readonly json?: true;
}

export const define: Define = (command, io) =>
  void modelOptions(command)
    .requiredOption("--data <file>", "the text, UTF-8; all of it is scored, if no protocol says otherwise", filled("--data", "test.txt"))
    .addOption(
      new Option(
        "--estimator <name>",
        "of the bound: over times, or over the number of masked tokens; or unmask token by token, a call of the network each; pseudo is no likelihood (default: stratified; mlm: pseudo, ardm: exact-k, ar: left-to-right)",
      ).choices(["stratified", "exact-k", "any-order", "left-to-right", "pseudo"]),
    )
    .addOption(
      new Option("--protocol <name>", "score the file of a benchmark as its paper did, and say what differs: with --dataset").choices([
        "sedd-paper",
      ]),
    )
    .addOption(new Option("--dataset <name>", "which benchmark --data is").choices(datasetNames))
    .option(
      "--against <M2>",
      "another model, measured under the same noise: tells the difference and its error",
      filled("--against", "runs/x"),
    )
    .option("--samples <N>", "noisy copies of each window (default: 8)", whole("--samples", { min: 2, max: 100_000, example: 8 }))
    .option("--seed <S>", "of the noise (default: 0, so that evaluations compare)", parseSeed)
    .option(
      "--json",
      "print one JSON object: model, data, tokenCount, characters, bytes, natsPerToken, standardError, bitsPerCharacter, bitsPerByte, perplexity, estimates (of each repetition), protocol (terms …)",
    )
    .action((options: Options) => run(options, io));

type Against = TextLikelihood & Comparison;

async function run(
  { model: name, device, weights, threads, data, protocol, dataset, against, json, ...settings }: Options,
  io: Io,
): Promise<void> {
  const { signal } = io;
  const text = withoutMark(await readText(data));
  if (text === "") throw new UserError(`--data ${data}: the file is empty; expected a text`);
  if ((protocol === undefined) !== (dataset === undefined))
    throw new UserError(
      dataset === undefined
        ? `--protocol ${protocol}: needs --dataset, one of ${datasetNames.join(", ")}`
        : `--dataset ${dataset}: needs --protocol sedd-paper`,
    );
  const benchmark = dataset && readDataset(dataset, text, data);
  const [
    { findModel, load },
    { requireTokenizer },
    { loadFolderTokenizer },
    { paperLikelihood },
    { percentProgress },
    { showingDownloads },
  ] = await Promise.all([
    import("../model.ts"),
    import("../objectives/sedd-likelihood.ts"),
    import("../text/folder.ts"),
    import("../evaluation/protocol.ts"),
    import("./progress.ts"),
    import("./download-progress.ts"),
  ]);
  const measure = async (name: string | undefined): Promise<TextLikelihood> => {
    const model = await showingDownloads(io.stderr, (onProgress) => load(name, { device, weights, threads, signal, onProgress }));
    const progress = percentProgress(io.stderr, `scoring ${data}${name === undefined || against === undefined ? "" : ` with ${name}`}`);
    try {
      const options = { ...settings, signal, onProgress: progress.update };
      const likelihood = await (benchmark ? paperLikelihood(model, benchmark, data, options) : model.likelihood(text, options));
      signal.throwIfAborted();
      return likelihood;
    } finally {
      progress.close();
      await model.dispose();
    }
  };
  // What is wrong with it is to be heard of before the first one is scored.
  if (against !== undefined) {
    const folder = await showingDownloads(io.stderr, (onProgress) => findModel(against, { signal, onProgress }));
    requireTokenizer(await loadFolderTokenizer(folder), against);
  }
  const likelihood = await measure(name);
  let other: Against | undefined;
  if (against !== undefined) {
    const { compareLikelihoods } = await import("../objectives/sedd-comparison.ts");
    const measured = await measure(against);
    other = { ...measured, ...compareLikelihoods(likelihood, measured) };
  }
  const { model: named, ...rest } = likelihood;
  if (json) io.stdout.write(`${JSON.stringify({ model: named, data, ...rest, ...(other ? { against: summary(other) } : {}) })}\n`);
  else io.stdout.write(table(likelihood, data, other));
}

/** What is told of the other model: its name, its own numbers, and the first model's bits per character minus its. */
const summary = ({ model, natsPerToken, bitsPerCharacter, difference, standardError, unit, paired, protocol: { weights } }: Against) => ({
  ...{ model, natsPerToken, bitsPerCharacter, difference, standardError, unit, paired, weights },
});

function table(likelihood: TextLikelihood, data: string, other: Against | undefined): string {
  const { model, tokenCount, characters, natsPerToken, standardError, bitsPerCharacter, bitsPerByte, perplexity, protocol } = likelihood;
  const { terms, bound, noise, ...settings } = protocol;
  const sign = { exact: "=", pseudo: "~", bound: "≤" }[kindOf(protocol.estimator)];
  const errorOf = (value: number): string => ((value * standardError) / natsPerToken).toFixed(4);
  const rows: [string, string][] = [
    ["model", model],
    ["data", data],
    ["tokens", tokenCount.toLocaleString("en-US")],
    ["characters", characters.toLocaleString("en-US")],
    ["bits per character", `${sign} ${bitsPerCharacter.toFixed(4)} ± ${errorOf(bitsPerCharacter)}`],
    ["bits per byte", `${sign} ${bitsPerByte.toFixed(4)} ± ${errorOf(bitsPerByte)}`],
    ["nats per token", `${sign} ${natsPerToken.toFixed(4)} ± ${standardError.toFixed(4)}`],
    ...Object.entries(terms).map(([term, nats]): [string, string] => [`  ${term}`, `  ${nats.toFixed(4)}`]),
    ["perplexity per token", `${sign} ${perplexity.toFixed(2)}`],
    ...(other ? comparisonRows(other) : []),
    ["bound", bound],
    ["noise", JSON.stringify(noise)],
    ...Object.entries(settings).flatMap(([key, values]) => [values].flat().map((value): [string, string] => [key, String(value)])),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join("");
}

const comparisonRows = ({ model, bitsPerCharacter, difference, standardError, paired }: Against): [string, string][] => [
  ["against", `${model}: ${bitsPerCharacter.toFixed(4)} bits per character`],
  [
    "difference",
    `${difference > 0 ? "+" : ""}${difference.toFixed(4)} ± ${standardError.toFixed(4)} bits per character${paired ? ", under the same noise" : ""}`,
  ],
];
