/** The template that a command works on: its argument, or standard input. */
import { UserError } from "../platform/errors.ts";
import type { Io } from "./io.ts";

/** @param example the template that errors show */
export async function readTemplate(given: string | undefined, io: Io, example: string): Promise<string> {
  if (given !== undefined && given !== "-") return given;
  if (given === undefined && io.stdin.isTTY) throw new UserError(`template: none given; expected for example ${example}`);
  // The line end that `echo` and editors add belongs to the file, not to the text.
  return (await readAll(io)).replace(/\r?\n$/, "");
}

/** Standard input as text, or the signal's reason. */
async function readAll({ stdin, signal }: Io): Promise<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const read = async (): Promise<string> => {
    let text = "";
    for await (const chunk of stdin) text += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
    return text + decoder.decode();
  };
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
  try {
    return await Promise.race([read(), aborted]);
  } catch (error) {
    if (error instanceof TypeError) throw new UserError("standard input: not UTF-8; expected a text with brackets such as [[24]]");
    throw error;
  }
}
