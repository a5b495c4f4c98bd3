/** The detokenizers: each rule on an example of its own, and what they may never do to a text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { detokenizers } from "../../src/evaluation/detokenize.ts";

const pairs: Record<keyof typeof detokenizers, readonly (readonly [row: string, text: string])[]> = {
  wikitext: [
    ["the foxes ' den", "the foxes' den"],
    ["a well @-@ kept den of 1 @,@ 200 @.@ 5 m", "a well-kept den of 1,200.5 m"],
    ["He said : come ; now . Why ! Who ? I , too", "He said: come; now. Why! Who? I, too"],
    ["the den ( of a fox ) was [ quite ] { deep }", "the den (of a fox) was [quite] {deep}"],
    ['she called it " a den " once', 'she called it "a den" once'],
    ["she called it ' a den ' once", "she called it 'a den' once"],
    [" = Foxes = \n", " = Foxes =\n"],
    [" = = Dens = = \n", " == Dens ==\n"],
    [" = = = Old dens = = = \n", " === Old dens ===\n"],
    [" = = = = Very old dens = = = = \n", " ==== Very old dens ====\n"],
    ["at 20 ° C", "at 20°C"],
    ["above \n below", "above\nbelow"],
    ["some N foxes", "some 1 foxes"],
    ["the fox 's den", "the fox's den"],
    ["", ""],
  ],
  ptb: [
    ["the fox 's den", "the fox's den"],
    ["the foxes ' den", "the foxes' den"],
    ["foxes do n't fly", "foxes don't fly"],
    ["red \n blue", "red\nblue"],
    ["a profit\\/loss account", "a profit/loss account"],
    ["about N N N foxes", "about 1 1 1 foxes"],
    ["it costs $ N or # N or so", "it costs $1 or #1 or so"],
    ["the <unk> of N", "the ? of N"], // a last N has no space after it, and stays
  ],
  lm1b: [
    ["see http : / / fox.example and https : / / den.example", "see http://fox.example and https://den.example"],
    ["the fox 's den isn 't , says José 'é", "the fox's den isn't, says José'é"],
    ["It was so . Was it ? It was ! So .", "It was so. Was it? It was! So."],
    ["Was it ?", "Was it?"],
    ["It was !", "It was!"],
    ["one , two : three ; four / five", "one, two: three; four/five"],
    ['he said " a den " once', 'he said "a den" once'],
    ["he said ' a den ' once", "he said 'a den' once"],
    ["the den ( of a fox ) was [ quite ] deep", "the den (of a fox) was [quite] deep"],
    ["it costs $ 5 or £ 4", "it costs $5 or £4"],
  ],
  lambada: [
    ["  “ Go ! ” said the fox  ", '\n" Go ! " said the fox'],
    ["it isn't", "\nit isn't"],
  ],
};

describe.each(Object.keys(detokenizers) as (keyof typeof detokenizers)[])("%s", (name) => {
  const detokenize = detokenizers[name];
  test.each(pairs[name])("%j → %j", (row, text) => expect(detokenize(row)).toBe(text));

  test("a text that is detokenized already stays", () => {
    // Not so for marks that follow each other (". ."), of which the published rules take one and a second pass the other; nor for lm1b's single quotes, in
    // which a second pass sees an apostrophe.
    for (const [, text] of pairs[name]) if (name !== "lm1b" || !text.includes(" '")) expect(detokenize(text)).toBe(text);
  });

  test("words and single spaces stay as they are", () => {
    const words = fc.array(fc.stringMatching(/^[a-z]{1,8}$/), { minLength: 1 }).map((list) => list.join(" "));
    fc.assert(fc.property(words, (text) => detokenize(text).trim() === text));
  });

  test("nothing but spaces, the marks of numbers and rare words, and curly quotes ever changes", () => {
    const parts = fc.constantFrom(
      ..."abzN:;.!?,()[]{}\"'=$£#/“”°\n ",
      "the",
      "'s",
      "n't",
      "@-@",
      "@,@",
      "@.@",
      "<unk>",
      "\\/",
      "http",
      "= =",
    );
    const rows = fc.array(parts, { maxLength: 30 }).map((list) => list.join(" "));
    const bare = (text: string): string =>
      text
        .replaceAll(/@-@|-/g, "-")
        .replaceAll(/@([,.])@/g, "$1")
        .replaceAll("\\/", "/")
        .replaceAll(/<unk>/g, "?")
        .replaceAll(/[“”]/g, '"')
        .replaceAll("N", "1")
        .replaceAll(/[\s@]/g, "");
    fc.assert(fc.property(rows, (row) => bare(detokenize(row)) === bare(row)));
  });
});
