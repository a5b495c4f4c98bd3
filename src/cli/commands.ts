/** The commands by name. A command's file is imported only when the command is called, and what it works with only when it acts. */
import type { Command } from "commander";
import type { Io } from "./io.ts";

/** Adds arguments, options and the action to a command that has its name and summary already. */
export type Define = (command: Command, io: Io) => void;

interface Entry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly define: Define }>;
}

export const commands: readonly Entry[] = [
  { name: "sample", summary: "write new texts", load: () => import("./sample.ts") },
  { name: "infill", summary: "fill the holes [[n]] of a text", load: () => import("./infill.ts") },
  {
    name: "score",
    summary: "how likely a piece of text is in its place, and what else could stand there",
    load: () => import("./score.ts"),
  },
  { name: "replay", summary: "show a recorded run again, or prove it", load: () => import("./replay.ts") },
  { name: "train", summary: "train a model from a recipe", load: () => import("./train.ts") },
  { name: "eval", summary: "the likelihood bound of a model on a text file", load: () => import("./eval.ts") },
  { name: "compare", summary: "train several objectives on one trunk, and report how they compare", load: () => import("./compare.ts") },
  { name: "serve", summary: "answer over HTTP, as OpenAI's clients expect", load: () => import("./serve.ts") },
  {
    name: "playground",
    summary: "write the page as static files, for any web host",
    load: () => import("./playground.ts"),
  },
  { name: "tokenizer", summary: "train tokenizers", load: () => import("./tokenizer.ts") },
  { name: "convert", summary: "write any model as one folder with all it needs", load: () => import("./convert.ts") },
  { name: "models", summary: "list the models that come with the package", load: () => import("./models.ts") },
  { name: "doctor", summary: "check this installation", load: () => import("./doctor.ts") },
];
