/** Options that several commands share, and the checks of their values. */
import { baseName, dirName, isFolder, joinPath } from "#platform";
import { Option, type Command } from "commander";
import { samplerNames, type SamplerName } from "../diffusion/sampler.ts";
import { UserError } from "../platform/errors.ts";

interface Range {
  readonly min: number;
  readonly max: number;
  readonly example: number;
}

/** A parser of whole numbers within a range, for the flag that errors name. */
export function whole(flag: string, { min, max, example }: Range): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) + 0 : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new UserError(`${flag} ${text || '""'}: expected a whole number from ${min} to ${max}, for example ${flag} ${example}`);
  };
}

/** UserError where the folder of a file that is to be written is missing: to be heard of before the work, not after it. */
export async function requireFolderOf(flag: string, file: string): Promise<void> {
  const folder = dirName(file);
  if (!(await isFolder(folder))) throw new UserError(`${flag} ${file}: there is no folder ${folder}; make it first, or name another place`);
}

/** A text as a number of no sign but a plus; NaN for any other. */
const plainNumber = (text: string): number => (/^\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN);

/** A parser of numbers within a range, which begins at 0 or above, for the flag that errors name. */
export function within(flag: string, { min, max, example }: Range): (text: string) => number {
  return (text) => {
    const value = plainNumber(text);
    if (value >= min && value <= max) return value;
    throw new UserError(`${flag} ${text || '""'}: expected a number from ${min} to ${max}, for example ${flag} ${example}`);
  };
}

/** A parser of numbers above 0 and up to `max`, for the flag that errors name. */
export function positive(flag: string, { max, example }: Omit<Range, "min">): (text: string) => number {
  return (text) => {
    const value = plainNumber(text);
    if (value > 0 && value <= max) return value;
    const upTo = max < Infinity ? ` and at most ${max}` : "";
    throw new UserError(`${flag} ${text || '""'}: expected a number above 0${upTo}, for example ${flag} ${example}`);
  };
}

/** A parser that refuses the empty text (an unset variable of a script, mostly). */
export function filled(flag: string, example: string): (text: string) => string {
  return (text) => {
    if (text.trim() !== "") return text;
    throw new UserError(`${flag} "": empty; expected for example ${flag} ${example}`);
  };
}

/** Where a run of a recipe goes if nothing else is said. */
export const defaultOut = (recipe: string): string => joinPath("runs", baseName(recipe).replace(/\.ya?ml$/i, ""));

/** Values of an option that may be repeated. */
export const collect = (value: string, before: string[] = []): string[] => [...before, value];

const seedRange: Range = { min: 0, max: Number.MAX_SAFE_INTEGER, example: 7 };
export const parseSeed = whole("--seed", seedRange);

export interface ModelOptions {
  readonly model?: string;
  readonly device?: "cpu" | "wasm";
  readonly weights?: "ema" | "raw";
  readonly threads?: number;
}

/** --model, --device, --weights, --threads. @param recorded where nothing is said, those of a recorded run count */
export const modelOptions = (command: Command, recorded = false): Command => {
  const otherwise = (value: string): string => `(default: ${recorded ? "the recorded one" : value})`;
  return command
    .option(
      "--model <M>",
      `a model's folder, the name of one that comes with the package, or the id owner/name of one on the hub ${otherwise("fairytales")}`,
      filled("--model", "fairytales"),
    )
    .addOption(
      new Option("--device <D>", `what computes: the native runtime or its WebAssembly build ${otherwise("cpu")}`).choices(["cpu", "wasm"]),
    )
    .addOption(
      new Option("--weights <W>", `of a training run: the moving average or the raw weights ${otherwise("ema")}`).choices(["ema", "raw"]),
    )
    .option("--threads <N>", "threads of the network (default: all cores)", whole("--threads", { min: 1, max: 256, example: 2 }));
};

export interface GenerateOptions extends ModelOptions {
  readonly length?: number;
  readonly steps?: number;
  readonly sampler?: SamplerName;
  readonly grid?: "linear" | "cosine" | "log-sigma" | "share";
  readonly corrector?: number;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly allow?: string[];
  readonly forbid?: string[];
  readonly seed?: number;
  readonly count: number;
  readonly json?: true;
  readonly watch?: true;
  readonly record?: string;
}

/** What `sample` and `infill` have in common. */
export const generateOptions = (command: Command, length: string): Command =>
  modelOptions(command)
    .option("--length <N>", length, whole("--length", { min: 1, max: 65_536, example: 128 }))
    .option(
      "--steps <K>",
      "denoising steps; for first-hitting and left-to-right the most network calls (default: 128; for these: one call a token)",
      whole("--steps", { min: 1, max: 100_000, example: 128 }),
    )
    .addOption(
      new Option(
        "--sampler <name>",
        "how a step is made (default: analytic; what was trained without noise: first-hitting, or left-to-right)",
      ).choices([...samplerNames]),
    )
    .addOption(
      new Option("--grid <name>", "at which times the steps are (default: linear)").choices(["linear", "cosine", "log-sigma", "share"]),
    )
    .option(
      "--corrector <N>",
      "redraw N written tokens after each step, at one more network call; 1 is exact (default: none)",
      whole("--corrector", { min: 1, max: 65_536, example: 1 }),
    )
    .option(
      "--temperature <T>",
      "below 1 sharper, above 1 flatter; this and the next two depart from the model's law",
      positive("--temperature", { max: Infinity, example: 0.8 }),
    )
    .option(
      "--top-k <K>",
      "only the K likeliest tokens at each place",
      whole("--top-k", { min: 1, max: Number.MAX_SAFE_INTEGER, example: 50 }),
    )
    .option("--top-p <P>", "only the likeliest tokens that together have this probability", positive("--top-p", { max: 1, example: 0.9 }))
    .option("--allow <token>", "fill holes with this token only: a text that is one token of the model; repeat for more", collect)
    .option("--forbid <token>", "never fill a hole with this token; repeat for more", collect)
    .option("--seed <S>", "the same seed gives the same texts (default: drawn, and printed)", parseSeed)
    .option("--count <C>", "how many texts", whole("--count", { min: 1, max: 10_000, example: 4 }), 1)
    .option("--json", "print one JSON object a line: text, tokens, seed, steps, sampler, model, milliseconds")
    .option("--watch", "show the denoising as it happens")
    .option(
      "--record <file>",
      "write every change as JSON lines, for sedd replay (step, time, sequence, position, token, probability)",
      filled("--record", "run.jsonl"),
    );
