/** The small world that the Process view computes exactly: five words and the four sentences that the "data" are made of. */
import { absorb, uniform, type Graph } from "sedd";

export const words = ["the", "cat", "dog", "saw", "fed"] as const;

export const graphs: readonly Graph[] = [uniform(words.length), absorb(words.length)];

/** What a state is called: its word, or MASK. */
export const nameOf = (state: number): string => words[state] ?? "MASK";

export interface Sentence {
  readonly text: string;
  readonly tokens: readonly number[];
  /** In the data; the four sum to 1. */
  readonly probability: number;
}

export const sentences: readonly Sentence[] = (
  [
    ["the cat saw the dog", 0.4],
    ["the dog saw the cat", 0.3],
    ["the dog fed the cat", 0.2],
    ["the cat fed the dog", 0.1],
  ] as const
).map(([text, probability]) => ({ text, tokens: text.split(" ").map((word) => words.indexOf(word as never)), probability }));

export const sentenceLength = 5;
