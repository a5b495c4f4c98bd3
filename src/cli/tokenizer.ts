/** `sedd tokenizer train`: text files in, a standard tokenizer.json out. */
import { writeFileAtomic } from "#platform";
import { Option } from "commander";
import { UserError } from "../platform/errors.ts";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { filled, requireFolderOf, whole } from "./options.ts";

interface Options {
  readonly data: readonly string[];
  readonly size?: number;
  readonly out: string;
  readonly kind: "bpe" | "character";
  readonly special?: readonly string[];
}

export const define: Define = (command, io) =>
  void command
    .helpCommand(false)
    .command("train")
    .description("train a tokenizer on text files")
    .requiredOption("--data <file...>", "text files, UTF-8")
    .option("--size <N>", "tokens, special ones included; required for bpe", whole("--size", { min: 1, max: 2 ** 20, example: 2048 }))
    .requiredOption("--out <file>", "the tokenizer.json to write", filled("--out", "tokenizer.json"))
    .addOption(
      new Option("--kind <kind>", "byte-level byte-pair encoding, or one token a character").choices(["bpe", "character"]).default("bpe"),
    )
    .option("--special <token...>", "special tokens, such as <|endoftext|>")
    .action((options: Options) => run(options, io));

async function run({ data, size, out, kind, special }: Options, io: Io): Promise<void> {
  if (kind === "bpe" && size === undefined) throw new UserError("--size: none given; a bpe tokenizer needs one, for example --size 2048");
  await requireFolderOf("--out", out);
  const [{ trainTokenizer }, { preparation }] = await Promise.all([import("../text/train-tokenizer.ts"), import("./progress.ts")]);
  const reading = preparation(io.stderr);
  const tokenizer = await trainTokenizer({
    ...{ files: data, kind, signal: io.signal },
    onProgress: (done, total) => reading.update("reading the texts", done, total),
    ...(size === undefined ? {} : { size }),
    ...(special ? { special } : {}),
  }).finally(() => reading.close());
  io.signal.throwIfAborted();
  await writeFileAtomic(out, `${JSON.stringify(tokenizer.toJSON(), null, 1)}\n`);
  const fewer =
    kind === "bpe" && size !== undefined && tokenizer.size < size ? ` (the text gives no more than that of the ${size} asked for)` : "";
  notice(io, `${out}: ${tokenizer.size} tokens, ${kind}${fewer}`);
}
