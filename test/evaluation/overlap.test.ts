/** The longest copied passage: against trying every passage, and on a text of some megabytes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { overlapFinder } from "../../src/evaluation/overlap.ts";
import { random } from "../../src/platform/random.ts";

const points = (text: string): string[] => Array.from(text);
const texts = (unit: fc.Arbitrary<string>, maxLength: number) => fc.string({ unit, maxLength });
const word = fc.oneof(fc.constant(fc.constantFrom("a", "b")), fc.constant(fc.constantFrom("a", "é", "文", "🐉", "🐍")));

/** By trying them all, longest first. */
function longestByTrial(sample: string, text: string): number {
  const own = points(sample);
  for (let length = own.length; length > 0; length--)
    for (let from = 0; from + length <= own.length; from++) if (text.includes(own.slice(from, from + length).join(""))) return length;
  return 0;
}

test("equals trying every passage of every sample, however the text is cut into pieces", () => {
  fc.assert(
    fc.property(
      word.chain((unit) => fc.tuple(fc.array(texts(unit, 14), { maxLength: 5 }), fc.array(texts(unit, 12), { maxLength: 4 }))),
      ([samples, pieces]) => {
        const finder = overlapFinder(samples);
        for (const piece of pieces) finder.read(piece);
        const text = pieces.join("");
        const found = finder.longest();
        expect(found.map(({ length }) => length)).toEqual(samples.map((sample) => longestByTrial(sample, text)));
        found.forEach(({ length, passage, offset }, i) => {
          expect(points(passage)).toHaveLength(length);
          expect(samples[i]).toContain(passage);
          expect(
            points(text)
              .slice(offset, offset + length)
              .join(""),
          ).toBe(passage);
        });
      },
    ),
    { numRuns: 2000 },
  );
});

test("asking half-way changes nothing", () => {
  const finder = overlapFinder(["the cat sat"]);
  finder.read("a cat s");
  expect(finder.longest()).toEqual([{ length: 6, passage: " cat s", offset: 1 }]);
  finder.read("at; the cat");
  expect(finder.longest()).toEqual([{ length: 8, passage: " cat sat", offset: 1 }]);
});

test("finds what was copied from two megabytes, and where", () => {
  const draw = random(5);
  const letters = (n: number): string => String.fromCharCode(...Array.from({ length: n }, () => 97 + draw.integer(4)));
  const pieces = Array.from({ length: 200 }, () => letters(10_000));
  const samples = Array.from({ length: 20 }, () => letters(1000));
  samples[7] = samples[7]!.slice(0, 400) + pieces[123]!.slice(4000, 4150) + samples[7]!.slice(400);
  const finder = overlapFinder(samples);
  for (const piece of pieces) finder.read(piece);
  const found = finder.longest();
  // The random letters around the copy may go on as the text does; elsewhere chance gives about log₄(2e6 · 1,000) = 15.5 letters.
  expect(found[7]!.passage).toContain(pieces[123]!.slice(4000, 4150));
  expect(found[7]!.length).toBeLessThan(165);
  expect(Math.abs(found[7]!.offset - 1_234_000)).toBeLessThan(15);
  found.forEach(({ length }, i) => {
    if (i !== 7) expect(length).toBeLessThan(40);
  });
});
