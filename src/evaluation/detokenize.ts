/**
 * Text as people write it, out of the word lists that benchmarks are published as: `the fox , they said` → `the fox, they said`. The rules are those of the
 * SEDD paper's released code (data.py), in its order and with its quirks, because perplexities compare only on one text. Left out is its rule for years
 * (`' 97`), whose pattern has literal slashes in it and so finds nothing.
 */

type Rule = readonly [found: string | RegExp, instead: string];

const detokenizer =
  (rules: readonly Rule[]) =>
  (row: string): string =>
    rules.reduce((text, [found, instead]) => text.replaceAll(found, instead), row);

const attached = (marks: string): Rule[] => [...marks].map((mark) => [` ${mark} `, `${mark} `]);

export const detokenizers = {
  wikitext: detokenizer([
    ["s '", "s'"],
    [" @-@ ", "-"],
    [" @,@ ", ","],
    [" @.@ ", "."],
    ...attached(":;.!?,"),
    [/\(\s*([^)]*?)\s*\)/g, "($1)"],
    [/\[\s*([^\]]*?)\s*\]/g, "[$1]"],
    [/\{\s*([^}]*?)\s*\}/g, "{$1}"],
    [/"\s*([^"]*?)\s*"/g, '"$1"'],
    [/'\s*([^']*?)\s*'/g, "'$1'"],
    ["= = = =", "===="],
    ["= = =", "==="],
    ["= =", "=="],
    [" ° ", "°"],
    [" \n", "\n"],
    ["\n ", "\n"],
    [" N ", " 1 "],
    [" 's", "'s"],
  ]),
  ptb: detokenizer([
    [" 's", "'s"],
    ["s ' ", "s' "],
    [" n't", "n't"],
    [" \n ", "\n"],
    ["\\/", "/"],
    [/ N(?= )/g, " 1"], // N stands for any number; two of them may share the space between
    ["$ 1", "$$1"],
    ["# 1", "#1"],
    ["<unk>", "?"],
  ]),
  lm1b: detokenizer([
    ["http : / / ", "http://"],
    ["https : / / ", "https://"],
    [/ '([\p{L}\p{N}_]+)/gu, "'$1"],
    [/ ([\p{L}\p{N}_]+) \. /gu, " $1. "],
    [/ ([\p{L}\p{N}_]+) \.$/gu, " $1."],
    [" ? ", "? "],
    [/ \?$/g, "?"],
    [" ! ", "! "],
    [/ !$/g, "!"],
    ...attached(",:;"),
    [" / ", "/"],
    [/" ([^"]+) "/g, '"$1"'],
    [/' ([^']+) '/g, "'$1'"],
    [/\( ([^()]+) \)/g, "($1)"],
    [/\[ ([^[\]]+) \]/g, "[$1]"],
    ["$ ", "$$"],
    ["£ ", "£"],
  ]),
  lambada: (row: string): string => `\n${row.replaceAll(/[“”]/g, '"').trim()}`,
} as const;
