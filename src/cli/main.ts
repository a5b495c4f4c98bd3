/** The process around the program: signals, broken pipes, the exit code. */
import { reportError, runCli } from "./program.ts";

/**
 * Runs the command line and ends the process. The first Ctrl-C asks the command to stop (exit 130); the handler is gone then, so the second one kills
 * the process at once, even inside a network call.
 */
export async function main(argv: readonly string[]): Promise<never> {
  const controller = new AbortController();
  let stopped = 130;
  process.once("SIGINT", () => controller.abort());
  // A closed terminal hangs up: as good a reason to save as any. (nohup does not keep that from a Node process.)
  for (const [signal, code] of Object.entries({ SIGTERM: 143, SIGHUP: 129 }))
    process.once(signal, () => {
      stopped = code;
      controller.abort();
    });
  process.once("uncaughtException", (error) => process.exit(reportError(error, process.stderr, argv.includes("--debug"))));

  let broken: NodeJS.ErrnoException | undefined;
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    broken ??= error;
    controller.abort();
  });
  process.stderr.on("error", () => undefined); // nobody reads: nothing to say

  const { stdout, stderr, stdin, env } = process;
  const code = await runCli(argv, { stdout, stderr, stdin, env, signal: controller.signal });
  await new Promise((resolve) => stdout.write("", resolve));
  await new Promise((resolve) => setImmediate(resolve)); // the error of a failed write comes after its callback
  if (broken && (code === 0 || code === 130)) {
    if (broken.code === "EPIPE") process.exit(0); // `| head` has read enough
    stderr.write(`sedd: cannot write standard output: ${broken.message}\n`);
    process.exit(2);
  }
  process.exit(code === 130 ? stopped : code);
}
