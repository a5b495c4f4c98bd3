/** `sedd sample`: new texts, with or without a beginning. */
import type { Define } from "./commands.ts";
import { generateOptions, type GenerateOptions } from "./options.ts";

export const define: Define = (command, io) =>
  void generateOptions(
    command.option("--prompt <P>", "what every text begins with, taken literally"),
    "tokens of each text, prompt included (default: the model's length)",
  ).action(async ({ prompt, ...options }: GenerateOptions & { prompt?: string }) => {
    const { generate } = await import("./generate.ts");
    await generate(io, options, (model, settings) => model.sample({ ...settings, prompt }));
  });
