import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { CountedWord } from "../../src/text/bpe-training.ts";
import { countedWords, story, trainMerges } from "./helpers.ts";

/** The definition, word for word: count all pairs anew, take the best, replace from left to right. */
function naive(words: readonly CountedWord[], size: number, minimumCount: number): { symbols: string[]; merges: [number, number][] } {
  const symbols = Array.from({ length: 256 }, (_, symbol) => String.fromCharCode(symbol));
  const merges: [number, number][] = [];
  let lists = words.map((word) => Array.from(word.symbols));
  while (symbols.length < size) {
    const counts = new Map<string, { pair: [number, number]; count: number }>();
    lists.forEach((list, word) => {
      for (let i = 1; i < list.length; i++) {
        const pair: [number, number] = [list[i - 1]!, list[i]!];
        const entry = counts.get(pair.join()) ?? { pair, count: 0 };
        entry.count += words[word]!.count;
        counts.set(pair.join(), entry);
      }
    });
    const ranked = [...counts.values()].sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
    const best = ranked[0];
    if (best === undefined || best.count < minimumCount) break;
    const string = symbols[best.pair[0]]! + symbols[best.pair[1]]!;
    let made = symbols.indexOf(string);
    if (made < 0) made = symbols.push(string) - 1;
    merges.push(best.pair);
    lists = lists.map((list) => {
      const merged: number[] = [];
      for (let i = 0; i < list.length; i++) {
        const found = list[i] === best.pair[0] && list[i + 1] === best.pair[1];
        merged.push(found ? made : list[i]!);
        if (found) i++;
      }
      return merged;
    });
  }
  return { symbols, merges };
}

describe("trainMerges", () => {
  it("equals the definition on random words of few letters", () => {
    const word = fc.record({
      symbols: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 14 }),
      count: fc.integer({ min: 1, max: 9 }),
    });
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 12 }),
        fc.integer({ min: 256, max: 300 }),
        fc.integer({ min: 1, max: 4 }),
        (words, size, least) => {
          expect(trainMerges(words, size, least)).toEqual(naive(words, size, least));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("equals the definition on a text", () => {
    const words = countedWords(story);
    expect(trainMerges(words, 400)).toEqual(naive(words, 400, 2));
  });

  it("does not depend on the order of the words", () => {
    const words = countedWords(story);
    expect(trainMerges(words.toReversed(), 330)).toEqual(trainMerges(words, 330));
  });

  it("takes the smaller pair of equally frequent ones, and counts overlapping places", () => {
    expect(
      trainMerges(
        [
          { symbols: [5, 6], count: 3 },
          { symbols: [2, 9], count: 3 },
        ],
        257,
      ).merges,
    ).toEqual([[2, 9]]);
    expect(
      trainMerges(
        [
          { symbols: [7, 7, 7], count: 2 },
          { symbols: [1, 2], count: 3 },
        ],
        257,
      ).merges,
    ).toEqual([[7, 7]]);
  });

  it("stops where nothing is frequent enough", () => {
    expect(trainMerges([{ symbols: [1, 2, 3], count: 1 }], 400).symbols).toHaveLength(256);
    expect(trainMerges([{ symbols: [1, 2, 3], count: 2 }], 400).symbols).toHaveLength(258);
    expect(trainMerges([], 400).merges).toEqual([]);
  });
});
