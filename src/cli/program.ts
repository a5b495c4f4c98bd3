/**
 * The program: finds the command, loads its file, runs it, and turns whatever is thrown into one line and an exit code. Nothing here or in what
 * it imports at the start knows of models: `sedd --help` must stay quick.
 */
import { Command, CommanderError } from "commander";
import { messageOf, UserError } from "../platform/errors.ts";
import { packageVersion } from "../platform/version.ts";
import { commands } from "./commands.ts";
import type { Io, Output } from "./io.ts";

/**
 * Runs one command line (without `node sedd`). Never throws.
 *
 * @returns the exit code: 0; 2 for a user's mistake; 1 for a failure of ours; 130 when the signal stopped it
 */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const words = helpAsOption(argv);
  const program = createProgram(packageVersion, io, words);
  const debug = words.includes("--debug");
  try {
    await program.parseAsync(words, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return 0;
      // "commander.help": a command that needs a subcommand; its help stands on standard error already.
      if (error.code !== "commander.help") io.stderr.write(`sedd: ${usageMessage(error, called(program, words))}\n`);
      return 2;
    }
    if (io.signal.aborted && (error === io.signal.reason || (error instanceof Error && error.name === "AbortError"))) return 130;
    return reportError(error, io.stderr, debug);
  }
}

/** `help COMMAND` as `COMMAND --help`, since a command has its options only once it is called. */
function helpAsOption(argv: readonly string[]): string[] {
  const at = argv.findIndex((word) => !word.startsWith("-"));
  return argv[at] === "help" ? [...argv.slice(0, at), ...argv.slice(at + 1), "--help"] : [...argv];
}

/** Takes the help option off a group of commands where the next word is none of them: the commander would show the group's help, not the mistake. */
function hearMistakes(group: Command, words: readonly string[]): void {
  const word = words.find((word) => !word.startsWith("-"));
  const known = ["help", ...group.commands.map((command) => command.name())];
  if (word !== undefined && group.commands.length > 0 && !known.includes(word)) group.helpOption(false);
}

/** Says what went wrong on one line; the exit code that belongs to it. */
export function reportError(error: unknown, stderr: Output, debug: boolean): number {
  const line = messageOf(error).replaceAll(/\s*\n\s*/g, " ");
  const ours = !(error instanceof UserError);
  stderr.write(ours ? `sedd: internal error: ${line}${debug ? "" : " (--debug shows where)"}\n` : `sedd: ${line}\n`);
  if (debug && error instanceof Error && error.stack) stderr.write(`${error.stack}\n`);
  return ours ? 1 : 2;
}

function createProgram(version: string, io: Io, words: readonly string[]): Command {
  const program = new Command("sedd")
    .description("Text by score-entropy discrete diffusion: train, sample, fill in anywhere, evaluate.")
    .version(version, "--version", "print the version")
    .option("--debug", "show the stack of an error")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .exitOverride()
    .allowExcessArguments()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      outputError: () => undefined, // runCli says it, in one line
      getOutHelpWidth: () => (io.stdout.isTTY ? (io.stdout.columns ?? 80) : 80),
      getErrHelpWidth: () => (io.stderr.isTTY ? (io.stderr.columns ?? 80) : 80),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  for (const { name, summary } of commands) program.command(name).description(summary);
  hearMistakes(program, words);
  program.hook("preSubcommand", async (_, command) => {
    (await commands.find(({ name }) => name === command.name())!.load()).define(command, io);
    hearMistakes(command, words.slice(words.indexOf(command.name()) + 1));
  });
  program.hook("preAction", (_, command) => refuseExtraArguments(command));
  return program;
}

/** The commander's own check names neither the argument nor a way out. */
function refuseExtraArguments(command: Command): void {
  const taken = command.registeredArguments.length;
  const extra = command.args[taken];
  if (extra === undefined) return;
  const takes = taken === 0 ? "no argument" : `${taken} argument${taken > 1 ? "s" : ""} (a text of several words goes in quotes)`;
  throw new UserError(`argument ${extra}: ${command.name()} takes ${takes}; see ${pathOf(command)} --help`);
}

/** The command that the words name, as far as they do. */
function called(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) command = command.commands.find((sub) => sub.name() === word) ?? command;
  return command;
}

const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name());

/** A commander's message ("error: …" over several lines) as one line that says where to look. */
function usageMessage(error: CommanderError, command: Command): string {
  const text = error.message
    .replace(/^error: /, "")
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(/\.$/, "");
  const dash = error.code === "commander.unknownOption" && /\s.*'$/.test(text) ? "; put -- before a text that begins with a dash" : "";
  return `${text}${dash}; see ${pathOf(command)} --help`;
}
