/** `sedd compare`: trains several objectives on one trunk, measures them with one evaluator, and writes a report. What is done already is kept. */
import { exists, joinPath, machine } from "#platform";
import type { Define } from "./commands.ts";
import { notice, type Io } from "./io.ts";
import { defaultOut, filled } from "./options.ts";

interface Options {
  readonly out?: string;
  readonly quick?: true;
}

const [FULL, QUICK] = ["recipes/compare.yaml", "recipes/compare-quick.yaml"];

export const define: Define = (command, io) =>
  void command
    .argument("[recipe]", `the comparison's recipe, a YAML file (default: ${FULL})`, filled("recipe", FULL))
    .option("--quick", `a first look at tiny models: ${QUICK}, minutes in all`)
    .option(
      "--out <folder>",
      "where runs, measurements and the report go (default: runs/<name of the recipe's file>)",
      filled("--out", "runs/x"),
    )
    .addHelpText(
      "after",
      "\nCtrl-C ends with exit code 130; the same command goes on where it was: finished trainings and measurements are kept while weights and settings are the same.",
    )
    .action((recipe: string | undefined, options: Options) => run(recipe, options, io));

async function run(given: string | undefined, { quick, out }: Options, io: Io): Promise<void> {
  const [{ readComparison }, { compareObjectives }, { duration, lineParts, statusLine, trainingProgress }, { UserError }] =
    await Promise.all([
      import("../evaluation/comparison-recipe.ts"),
      import("../evaluation/comparison.ts"),
      import("./progress.ts"),
      import("../platform/errors.ts"),
    ]);
  if (quick && given !== undefined) throw new UserError(`recipe ${given}: --quick has its own, ${QUICK}; give one of them`);
  const path = given ?? (quick ? QUICK : FULL);
  // The package has the recipes, but not the texts that they name.
  if (given === undefined && !(await exists(path)))
    throw new UserError(`there is no ${path} here; the comparison runs in a checkout of the repository, or by a recipe of your own`);
  const recipe = await readComparison(path);
  const folder = out ?? defaultOut(path);
  const progress = new Map<string, ReturnType<typeof trainingProgress>>();
  const line = io.stderr.isTTY ? statusLine(io.stderr) : undefined;
  const partOf = line && lineParts(line);
  const say = (text: string): void => {
    line?.clear();
    notice(io, text);
  };
  const stopping = (): void => say("stopping; what is done is kept, and the same command goes on from here");
  io.signal.addEventListener("abort", stopping, { once: true });
  try {
    const { report, written } = await compareObjectives({
      recipe,
      out: folder,
      command: `sedd compare ${path}${out === undefined ? "" : ` --out ${out}`}`,
      machine: machine(),
      signal: io.signal,
      onTraining(name, steps, { done, total }) {
        say(`training ${done} of ${total}: ${name}, ${steps} steps`);
        progress.set(name, trainingProgress(io.stderr, steps, { name, line: partOf?.(name) }));
      },
      onTrained: (name) => progress.get(name)?.close(),
      onMetric: (name, metric) => metric.kind !== "sample" && progress.get(name)?.metric(metric),
      onStep: (name, what) => line?.update(`${name}: ${what}`),
      onMeasure: (name, { measure, kept, seconds }, { done, total }) =>
        say(`measurement ${done} of ${total}: ${name} ${measure}, ${kept ? "kept" : duration(seconds)}`),
    });
    const names = Object.keys(report.models).length;
    say(`${names} models compared; the report is ${written ? "" : "as it was: "}${joinPath(folder, "report.html")}`);
  } finally {
    line?.clear();
    io.signal.removeEventListener("abort", stopping);
  }
}
