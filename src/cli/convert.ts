/** `sedd convert`: a model in any form that is read becomes one folder with all it needs. */
import { realpath } from "node:fs/promises";
import { exists, fileSize, isFolder, joinPath } from "#platform";
import { Option } from "commander";
import { UserError } from "../platform/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { filled } from "./options.ts";

interface Options {
  readonly out: string;
  readonly dtype: "f32" | "f16";
  readonly weights: "ema" | "raw";
  readonly tokenizer?: string;
  readonly json?: true;
}

export const define: Define = (command, io) =>
  void command
    .argument("<model>", "a model's folder, shipped name, or id on the hub (owner/name)", filled("model", "runs/x"))
    .requiredOption("--out <dir>", "the folder to write: a new one, or one without a model", filled("--out", "models/x"))
    .addOption(new Option("--dtype <T>", "how weights are stored: exactly, or rounded to 11 bits").choices(["f32", "f16"]).default("f32"))
    .addOption(
      new Option("--weights <W>", "of a training run or checkpoint: the moving average or the raw weights")
        .choices(["ema", "raw"])
        .default("ema"),
    )
    .option(
      "--tokenizer <path>",
      "a tokenizer.json, or a folder with one or with GPT-2's vocab.json and merges.txt (default: the model's own)",
      filled("--tokenizer", "gpt2/tokenizer.json"),
    )
    .option("--json", "print one JSON object: model, out, parameters, length, dtype, bytes, tokenizer")
    .addHelpText(
      "after",
      `
Takes folders as the official SEDD code saves them (model.safetensors, its shards, pytorch_model.bin, checkpoint.pth), training runs and models of ours. The official models read GPT-2's
tokens and bring no tokenizer; without one a model takes and gives token ids only. Example:
  sedd convert louaaron/sedd-small --tokenizer gpt2/tokenizer.json --dtype f16 --out models/sedd-small`,
    )
    .action((model: string, options: Options) => run(model, options, io));

async function run(name: string, { out, dtype, weights, tokenizer: path, json }: Options, io: Io): Promise<void> {
  const { signal } = io;
  await checkFree(out, name);
  const [{ findModel, readModel, saveModel }, { graphOf }, { showingDownloads }] = await Promise.all([
    import("../model.ts"),
    import("../objectives/sedd.ts"),
    import("./download-progress.ts"),
  ]);
  const given = path === undefined ? undefined : await readTokenizer(path);
  const folder = await showingDownloads(io.stderr, (onProgress) => findModel(name, { signal, onProgress }));
  notice(io, `reading ${folder}`);
  const stored = await readModel(folder, weights, { signal });
  const tokenizer = given ?? stored.tokenizer;
  const { vocabularySize } = graphOf(stored.config.sedd);
  if (tokenizer && tokenizer.size !== vocabularySize)
    throw new UserError(
      `${given ? `--tokenizer ${path}: has` : `model ${name}: its tokenizer has`} ${tokenizer.size} tokens, the model's network ${vocabularySize}; give the tokenizer that it was trained with`,
    );
  signal.throwIfAborted();
  notice(io, `writing ${out}`);
  await saveModel(out, { ...stored, tokenizer, dtype: dtype === "f16" ? "F16" : "F32" });
  if (!tokenizer) notice(io, `${out} has no tokenizer, so it takes and gives token ids only; --tokenizer adds one`);
  const { length } = stored.config;
  const summary = { parameters: stored.parameters.length, length, dtype, bytes: await fileSize(joinPath(out, "model.safetensors")) };
  io.stdout.write(
    json
      ? `${JSON.stringify({ model: name, out, ...summary, tokenizer: tokenizer ? { kind: tokenizer.kind, size: tokenizer.size } : null })}\n`
      : `${out}  ${(summary.parameters / 1e6).toFixed(1)} M parameters  length ${length}  ${(summary.bytes / 1e6).toFixed(1)} MB  ${dtype}  ${tokenizer ? `${tokenizer.size} tokens, ${tokenizer.kind}` : "no tokenizer"}\n`,
  );
}

/** UserError unless nothing of a model is in a folder. */
async function checkFree(out: string, name: string): Promise<void> {
  if ((await exists(out)) && !(await isFolder(out))) throw new UserError(`--out ${out}: is a file; give an empty or a new folder`);
  const { weightsIn } = await import("../formats/hub.ts");
  const found = (await weightsIn(out)) ?? (await weightsIn(out, ["checkpoint.safetensors", "config.json", "tokenizer.json"]));
  if (found === undefined) return;
  const place = (path: string): Promise<string | undefined> => realpath(path).catch(() => undefined);
  const isItself = (await place(out)) === (await place(name));
  throw new UserError(
    `--out ${out}: ${isItself ? "is the model itself" : `holds a model already: ${found}`}; give an empty or a new folder`,
  );
}

async function readTokenizer(path: string): Promise<Tokenizer> {
  const [{ loadFolderTokenizer }, { loadTokenizer }] = await Promise.all([import("../text/folder.ts"), import("../text/tokenizer.ts")]);
  if (!(await isFolder(path))) return loadTokenizer(path);
  const tokenizer = await loadFolderTokenizer(path);
  if (!tokenizer)
    throw new UserError(`--tokenizer ${path}: the folder has no tokenizer; tokenizer.json, or vocab.json and merges.txt, would do`);
  return tokenizer;
}
