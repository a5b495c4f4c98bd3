/** Texts, folders and small tokenizers that several of these tests use. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll } from "vitest";
import { bpeFile, bpeTokenizer } from "../../src/text/bpe.ts";
import { mergeSteps, type CountedWord, type TrainedMerges } from "../../src/text/bpe-training.ts";
import { indexOfByte, wordPattern } from "../../src/text/byte-alphabet.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

/** Characters at which tokenizers differ or break: spaces of all kinds, contractions, combining marks, joiners, code points beyond the BMP. */
const awkward = [
  ..." \t\n\r\u000b\f\u0085\u00a0\u2003\u2028\u3000\ufeff\u0000\u001c'",
  ..."aAbsStTdm019²٣é\u0301ß中文ひ한ًא-_.,!?(){}<|>▁\ufffd",
  "'s",
  "'ll",
  "\r\n",
  "👨\u200d👩\u200d👧",
  "🇩🇪",
  "𝔘",
  "\u{10ffff}",
  "<|endoftext|>",
  "<|endof",
];

/** Any Unicode text: every code point but surrogates, and the awkward ones often. */
export const anyText = fc
  .array(
    fc.oneof(fc.constantFrom(...awkward), fc.string({ unit: "binary", maxLength: 4 }), fc.string({ unit: "grapheme", maxLength: 3 })),
    {
      maxLength: 40,
    },
  )
  .map((parts) => parts.join(""));

/** A folder that the test file's end removes. */
export async function temporaryFolder(): Promise<{ path: string; write: (name: string, data: string | Uint8Array) => Promise<string> }> {
  const path = await mkdtemp(join(tmpdir(), "sedd-text-"));
  afterAll(() => rm(path, { recursive: true, force: true }));
  return {
    path,
    write: async (name, data) => {
      await writeFile(join(path, name), data);
      return join(path, name);
    },
  };
}

export const story =
  "Once upon a time there was a king, and the king's daughter said: \"I'll not marry the gardener's son!\" " +
  "The king sighed and sighed; the princess didn't.\n\nÉs ist 中文文文 中文 12 1234 1234.\r\n  And then, and then -- 👨‍👩‍👧 and 👨‍👩‍👧.\n";

/** Counted words of a text, as the trainer takes them. */
export function countedWords(text: string) {
  const counts = new Map<string, number>();
  for (const [word] of text.matchAll(wordPattern())) counts.set(word, (counts.get(word) ?? 0) + 1);
  const encoder = new TextEncoder();
  return Array.from(counts, ([word, count]) => ({ symbols: Array.from(encoder.encode(word), (byte) => indexOfByte[byte]!), count }));
}

/** All of {@link mergeSteps} at once. */
export function trainMerges(words: readonly CountedWord[], size: number, minimumCount?: number): TrainedMerges {
  const steps = mergeSteps(words, size, minimumCount);
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}

/** A byte-level tokenizer with some 60 merges from the story. */
export const storyTokenizer = (special: string[] = []): Tokenizer =>
  bpeTokenizer(bpeFile(trainMerges(countedWords(story.repeat(3)), 320), special));
