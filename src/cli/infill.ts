/** `sedd infill`: a text with holes, from the command line or from standard input. */
import { UserError } from "../platform/errors.ts";
import type { Define } from "./commands.ts";
import type { Io } from "./io.ts";
import { generateOptions, type GenerateOptions } from "./options.ts";

export const define: Define = (command, io) =>
  void generateOptions(
    command
      .argument(
        "[template]",
        "the text; [[24]] is a hole of 24 tokens, [[ ]] takes what is left of --length, \\[[ is literal; - reads standard input",
      )
      .addHelpText("after", '\nExample:\n  sedd infill "Once upon a time [[30]] the dragon [[20]] happily ever after." --seed 7'),
    "tokens in all, for holes written [[ ]] (default: the model's length)",
  ).action(async (given: string | undefined, options: GenerateOptions) => {
    const template = await readTemplate(given, io);
    const { generate } = await import("./generate.ts");
    await generate(io, options, (model, settings) => model.infill(template, settings));
  });

async function readTemplate(given: string | undefined, io: Io): Promise<string> {
  if (given !== undefined && given !== "-") return given;
  if (given === undefined && io.stdin.isTTY) {
    throw new UserError('template: none given; expected a text with holes, for example sedd infill "Once upon a time [[24]] the end."');
  }
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
    if (error instanceof TypeError) throw new UserError("standard input: not UTF-8; expected a text with holes such as [[24]]");
    throw error;
  }
}
