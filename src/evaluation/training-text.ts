/** The text that contestants were trained on, as a stream: it may be longer than a string can be, or than memory. */
import { createHash } from "node:crypto";
import { readTextChunks } from "../text/corpus.ts";

export interface TrainingText {
  /** The first 16 hexadecimal digits of the SHA-256 of all of it. */
  readonly fingerprint: string;
  /** Pieces cut at code points; between two files stands a line feed, so that no passage goes over. */
  read(): AsyncIterable<string>;
}

/** @throws UserError for a file that is missing or not UTF-8 */
export async function trainingText(files: readonly string[], signal?: AbortSignal): Promise<TrainingText> {
  async function* read(): AsyncGenerator<string> {
    for (const [i, file] of files.entries()) {
      if (i > 0) yield "\n";
      yield* readTextChunks(file, signal ? { signal } : {});
    }
  }
  const hash = createHash("sha256");
  for await (const piece of read()) hash.update(piece);
  return { fingerprint: hash.digest("hex").slice(0, 16), read };
}
