/** `sedd replay`: a run that --record wrote, shown again from its file, or written anew by the model and compared bit for bit. */
import { readText } from "#platform";
import type { Trajectory } from "../diffusion/trajectory.ts";
import { UserError } from "../platform/errors.ts";
import { printable } from "./cells.ts";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { modelOptions, positive, type ModelOptions } from "./options.ts";

interface Options extends ModelOptions {
  readonly verify?: true;
  readonly tolerance?: number;
  readonly watch?: true;
}

/** Milliseconds between two frames of a replay, for eyes. */
const PERIOD = 40;

export const define: Define = (command, io) =>
  void modelOptions(command.argument("<file>", "what sample or infill --record wrote"), true)
    .option("--verify", "let the model write it again, and compare every token and probability bit for bit")
    .option(
      "--tolerance <share>",
      "with --verify: by how much of itself a number may differ; 1e-12 for a run that a browser saved, whose Math.exp may round otherwise (default: 0)",
      positive("--tolerance", { max: 0.01, example: 1e-12 }),
    )
    .option("--watch", "show the denoising again")
    .addHelpText("after", "\nThe model is the recorded one unless --model names another place of it; only --verify and --watch need it.")
    .action((file: string, options: Options) => run(file, options, io));

async function run(file: string, options: Options, io: Io): Promise<void> {
  const { tolerance } = options;
  if (tolerance !== undefined && !options.verify)
    throw new UserError(`--tolerance ${tolerance}: needs --verify, without which nothing is compared`);
  const { parseTrajectory } = await import("../diffusion/trajectory-file.ts");
  const trajectory = parseTrajectory(await readText(file), file);
  io.signal.throwIfAborted();
  if (options.watch) await watch(trajectory, options, io);
  if (options.verify) await verify(file, trajectory, options, io);
  const { texts, run: recorded, changes, frames } = trajectory;
  const { stdout, stderr } = io;
  texts.forEach((text, i) => {
    if (texts.length > 1) stderr.write(`--- sample ${i + 1} ---\n`);
    stdout.write(`${stdout.isTTY ? printable(text) : text}\n`);
  });
  const { seed } = recorded.options;
  stderr.write(
    `--- ${recorded.verb} of ${recorded.model}, seed ${String(seed)}, ${frames.at(-1)!.step} steps, ${changes.length} changes ---\n`,
  );
}

async function verify(
  file: string,
  trajectory: Trajectory,
  { model: name, device, weights, threads, tolerance }: Options,
  io: Io,
): Promise<void> {
  const [{ load }, { verifyTrajectory }, { statusLine }, { showingDownloads }] = await Promise.all([
    import("../model.ts"),
    import("../objectives/sedd-record.ts"),
    import("./progress.ts"),
    import("./download-progress.ts"),
  ]);
  const { signal, stderr } = io;
  const recorded = trajectory.run as { model: string } & Pick<ModelOptions, "device" | "weights">; // load refuses what it does not know
  const options = { device: device ?? recorded.device, weights: weights ?? recorded.weights, threads, signal };
  const model = await showingDownloads(stderr, (onProgress) => load(name ?? recorded.model, { ...options, onProgress }));
  const line = stderr.isTTY ? statusLine(stderr) : undefined;
  try {
    await verifyTrajectory(model, trajectory, file, {
      signal,
      tolerance,
      onStep: ({ step, steps }) => line?.update(`step ${step}/${steps}`),
    });
  } finally {
    line?.clear();
    await model.dispose();
  }
  notice(
    io,
    `verified: ${trajectory.changes.length} changes and ${trajectory.texts.length} text${trajectory.texts.length > 1 ? "s" : ""} come out ${tolerance ? `to within ${tolerance}` : "bit for bit"}`,
  );
}

async function watch(trajectory: Trajectory, { model: name }: Options, io: Io): Promise<void> {
  const [{ findModel }, { loadFolderTokenizer }, { replayTrajectory }, { watchOf }] = await Promise.all([
    import("../model.ts"),
    import("../text/folder.ts"),
    import("../diffusion/trajectory.ts"),
    import("./generate.ts"),
  ]);
  const model = name ?? trajectory.run.model;
  const tokenizer = await loadFolderTokenizer(await findModel(model));
  if (!tokenizer) throw new UserError(`model ${model}: has no tokenizer, so --watch has no texts to show; leave --watch out`);
  const view = watchOf({ tokenizer }, trajectory.start.length, io);
  try {
    for (const frame of replayTrajectory(trajectory)) {
      io.signal.throwIfAborted();
      view.show(frame);
      if (io.stdout.isTTY) await new Promise((resolve) => setTimeout(resolve, PERIOD));
    }
    view.finish();
  } finally {
    view.close();
  }
}
