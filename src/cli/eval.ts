/** `sedd eval`: the likelihood bound of a model on a text file, with every term, its error and its protocol. */
import { readText } from "#platform";
import { UserError } from "../platform/errors.ts";
import type { Likelihood } from "../objectives/sedd-model.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { filled, modelOptions, parseSeed, whole, type ModelOptions } from "./options.ts";

interface Options extends ModelOptions {
  readonly data: string;
  readonly samples?: number;
  readonly seed?: number;
  readonly json?: true;
}

export const define: Define = (command, io) =>
  void modelOptions(command)
    .requiredOption("--data <file>", "the text, UTF-8; all of it is scored", filled("--data", "test.txt"))
    .option("--samples <N>", "noisy copies of each window (default: 8)", whole("--samples", { min: 1, max: 100_000, example: 8 }))
    .option("--seed <S>", "of the noise (default: 0, so that evaluations compare)", parseSeed)
    .option("--json", "print one JSON object")
    .action((options: Options) => run(options, io));

async function run({ model: name, device, weights, threads, data, samples, seed, json }: Options, io: Io): Promise<void> {
  const { signal } = io;
  const text = await readText(data);
  if (text === "") throw new UserError(`--data ${data}: the file is empty; expected a text`);
  const [{ load }, { percentProgress }] = await Promise.all([import("../model.ts"), import("./progress.ts")]);
  const model = await load(name, { device, weights, threads, signal });
  const progress = percentProgress(io.stderr, `scoring ${data}`);
  try {
    const likelihood = await model.likelihood(text, { samples, seed, signal, onProgress: progress.update });
    signal.throwIfAborted();
    progress.close();
    const { model: named, ...rest } = likelihood;
    io.stdout.write(json ? `${JSON.stringify({ model: named, data, ...rest })}\n` : table(likelihood, data));
  } finally {
    progress.close();
    await model.dispose();
  }
}

function table(likelihood: Likelihood, data: string): string {
  const { model, tokenCount, characters, natsPerToken, standardError, bitsPerCharacter, perplexity, protocol } = likelihood;
  const { terms, bound, noise, ...settings } = protocol;
  const rows: [string, string][] = [
    ["model", model],
    ["data", data],
    ["tokens", tokenCount.toLocaleString("en-US")],
    ["characters", characters.toLocaleString("en-US")],
    ["bits per character", `≤ ${bitsPerCharacter.toFixed(4)} ± ${((bitsPerCharacter * standardError) / natsPerToken).toFixed(4)}`],
    ["nats per token", `≤ ${natsPerToken.toFixed(4)} ± ${standardError.toFixed(4)}`],
    ...Object.entries(terms).map(([term, nats]): [string, string] => [`  ${term}`, `  ${nats.toFixed(4)}`]),
    ["perplexity per token", `≤ ${perplexity.toFixed(2)}`],
    ["bound", bound],
    ["noise", JSON.stringify(noise)],
    ...Object.entries(settings).map(([key, value]): [string, string] => [key, String(value)]),
  ];
  const width = Math.max(...rows.map(([key]) => key.length));
  return rows.map(([key, value]) => `${key.padEnd(width)}  ${value}\n`).join("");
}
