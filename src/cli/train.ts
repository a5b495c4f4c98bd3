/** `sedd train`: a recipe in, a run's folder out. The folder is a model. */
import { resolve } from "node:path";
import { UserError } from "../platform/errors.ts";
import type { StartingPoint } from "../training/begin.ts";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { defaultOut, filled } from "./options.ts";

interface Options {
  readonly out?: string;
  readonly resume?: true;
  readonly from?: string;
  readonly set?: readonly string[];
}

export const define: Define = (command, io) =>
  void command
    .usage("[options] <recipe>")
    .argument("[recipe]", "the recipe, a YAML file", filled("recipe", "recipes/fairytales.yaml"))
    .option("--out <folder>", "the run's folder (default: runs/<name of the recipe's file>)", filled("--out", "runs/x"))
    .option("--resume", "go on from the folder's checkpoint, as if the run had never stopped")
    .option("--from <M>", "begin with the weights and the tokenizer of a model (fine-tuning)", filled("--from", "fairytales"))
    .option("--set <key=value...>", "change a key of the recipe, for example --set schedule.steps=500")
    .addHelpText("after", "\nCtrl-C saves a checkpoint and ends with exit code 130; --resume goes on from there.")
    .action((recipe: string | undefined, options: Options) => {
      // A recipe after --set looks like another of its values, but for the "=" that all of them have.
      const [last] = options.set?.slice(-1) ?? [];
      if (recipe === undefined && last !== undefined && !last.includes("="))
        return run(last, { ...options, set: options.set!.slice(0, -1) }, io);
      if (recipe === undefined) throw new UserError("missing required argument 'recipe'; see sedd train --help");
      return run(recipe, options, io);
    });

async function run(path: string, { out = defaultOut(path), resume, from, set = [] }: Options, io: Io): Promise<void> {
  const { signal, stderr } = io;
  const [{ readRecipe }, { train }, { preparation, trainingProgress }] = await Promise.all([
    import("../training/recipe.ts"),
    import("../training/train.ts"),
    import("./progress.ts"),
  ]);
  if (resume && from !== undefined)
    throw new UserError(`--from ${from}: --resume goes on with the run's own weights; leave one of them out`);
  const recipe = await readRecipe(path, set);
  if (!resume && resolve(path) === resolve(out, "recipe.yaml"))
    throw new UserError(`--out ${out}: the run's own recipe.yaml would replace ${path}; give another folder`);
  const begin = from === undefined ? undefined : await readStart(from, io);
  const { steps } = recipe.schedule;
  const progress = trainingProgress(stderr, steps);
  const preparing = preparation(stderr);
  const close = (): void => {
    preparing.close();
    progress.close();
  };
  const stopping = (): void => {
    close();
    notice(io, "stopping and saving; Ctrl-C again stops at once, without saving");
  };
  signal.addEventListener("abort", stopping, { once: true });
  try {
    const { step, interrupted } = await train({
      recipe,
      out,
      signal,
      onPreparing: preparing.update,
      onMetric(metric) {
        preparing.close();
        progress.metric(metric);
      },
      onNotice: (message) => {
        close();
        notice(io, message);
      },
      ...(resume ? { resume } : {}),
      ...(begin ? { from: begin } : {}),
    });
    close();
    if (interrupted) {
      notice(io, `stopped and saved at step ${step} of ${steps}; go on with --resume`);
      signal.throwIfAborted();
    }
    notice(io, `step ${step} of ${steps} done; the model is in ${out}: sedd sample --model ${out}`);
  } finally {
    close();
    signal.removeEventListener("abort", stopping);
  }
}

async function readStart(name: string, { stderr, signal }: Io): Promise<StartingPoint> {
  const [{ findModel, readModel }, { showingDownloads }] = await Promise.all([import("../model.ts"), import("./download-progress.ts")]);
  const folder = await showingDownloads(stderr, (onProgress) => findModel(name, { signal, onProgress }));
  const { config, parameters, tokenizer } = await readModel(folder);
  return { parameters, config: config.sedd, ...(tokenizer ? { tokenizer: tokenizer.toJSON() } : {}) };
}
