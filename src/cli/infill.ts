/** `sedd infill`: a text with holes, from the command line or from standard input. */
import type { Define } from "./commands.ts";
import { generateOptions, type GenerateOptions } from "./options.ts";
import { readTemplate } from "./read-template.ts";

export const define: Define = (command, io) =>
  void generateOptions(
    command
      .argument(
        "[template]",
        "the text; [[24]] is a hole of 24 tokens, [[8-24]] of as many as fit best, [[ ]] takes what is left of --length, \\[[ is literal; - reads standard input",
      )
      .addHelpText(
        "after",
        `
Tokens begin with the space before a word, so a hole reads best right after the word before it, and the text after it begins with its space. Example:
  sedd infill "Once upon a time[[30]] the dragon[[20]] and they lived happily ever after." --seed 7`,
      ),
    "tokens in all, for holes written [[ ]] (default: the model's length)",
  ).action(async (given: string | undefined, options: GenerateOptions) => {
    const template = await readTemplate(given, io, 'sedd infill "Once upon a time[[24]] the end."');
    const { generate } = await import("./generate.ts");
    await generate(io, options, (model, settings) => model.infill(template, settings));
  });
