/** The fixtures of GPT-2 and BERT as folders with a tokenizer, whose special tokens have the ids that a test wants. */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import { characterFile } from "../../src/text/character.ts";
import { wordPieceFromVocabulary } from "../../src/text/wordpiece.ts";
import { fixturePath, goldenJson } from "./fixtures.ts";

/** Tokens of both fixtures. */
export const VOCABULARY = 60;

/** A tokenizer of 60 tokens: characters, and <|endoftext|> under an id. */
export function charactersWithEnd(end: number): unknown {
  const file = characterFile(
    Array.from({ length: VOCABULARY - 1 }, (_, i) => String.fromCodePoint(0x100 + i)),
    ["<|endoftext|>"],
  ) as { added_tokens: { id: number }[]; model: { vocab: Record<string, number> } };
  file.added_tokens[0]!.id = end;
  for (const character of Object.keys(file.model.vocab)) file.model.vocab[character]! += Number(file.model.vocab[character]! >= end);
  return file;
}

/** A WordPiece tokenizer of the words w0 … w59, some of them special tokens. */
export const wordsWith = (special: Readonly<Record<string, number>>): unknown => {
  const words = Array.from({ length: VOCABULARY }, (_, id) => `w${id}`);
  for (const [token, id] of Object.entries(special)) words[id] = token;
  return wordPieceFromVocabulary(words.join("\n"), true);
};

/** @param change of config.json's keys; with fewer positions, the table has the first ones alone */
export async function publishedFolder(
  name: "gpt2" | "bert",
  tokenizer: unknown,
  change: { readonly n_positions?: number; readonly [key: string]: unknown } = {},
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sedd-published-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...goldenJson<object>(`${name}/config.json`), ...change }));
  if (tokenizer !== undefined) writeFileSync(join(folder, "tokenizer.json"), JSON.stringify(tokenizer));
  const weights = join(folder, "model.safetensors");
  if (change.n_positions === undefined) cpSync(fixturePath(`${name}/model.safetensors`), weights);
  else {
    const stored = await readSafetensors(fixturePath(`${name}/model.safetensors`));
    const tensors = Array.from(stored.entries, ([tensor, { shape }]) => {
      const data = stored.tensor(tensor);
      if (tensor !== "transformer.wpe.weight") return { name: tensor, shape, dtype: "F32" as const, data };
      const short = [change.n_positions!, shape[1]!];
      return { name: tensor, shape: short, dtype: "F32" as const, data: data.slice(0, short[0]! * short[1]!) };
    });
    await writeSafetensors(weights, tensors);
  }
  return folder;
}
