/** Benchmarks' files: every published form is read into the rows that the paper's code gets, and any other file is refused in one line. */
import { describe, expect, test } from "vitest";
import { datasetNames, readDataset, type DatasetName } from "../../src/evaluation/datasets.ts";

const LONG = "the fox went out on a chilly night and prayed to the moon to give him light for he had many a mile";

/** Excerpts of our own, in each set's form. */
const excerpts: Record<DatasetName, string> = {
  wikitext2: " \n = Foxes = \n \n The fox 's den was deep . \n",
  wikitext103: " \n = Foxes = \n \n The fox 's den was deep . \n",
  lambada: `${LONG}\n${LONG} and more\n`,
  ptb: " the <unk> of mr. fox rose N N \n it did n't last \n",
  lm1b: 'The fox said : " It rose . "\nDid it ?\n',
  text8: ` ${"the fox went out ".repeat(200)}`,
};

const rowsOf = (name: DatasetName, text = excerpts[name]): readonly string[] => readDataset(name, text, "some.txt").rows;

test("wikitext: a line a row, with its line break; blank lines are empty rows", () => {
  expect(rowsOf("wikitext2")).toEqual(["", " = Foxes =\n", "", " The fox's den was deep.\n"]);
  expect(rowsOf("wikitext103", excerpts.wikitext103.replaceAll("\n", "\r\n"))).toEqual(rowsOf("wikitext2"));
});

test("wikitext: the form with <unk> is told from the raw one", () => {
  const form = (text: string): string => readDataset("wikitext103", text, "wiki").form;
  expect(form(excerpts.wikitext103)).toBe("raw");
  expect(form(excerpts.wikitext103.replace("fox", "<unk>"))).toMatch(/^word level/);
});

test("lambada: plain lines and JSON lines", () => {
  expect(rowsOf("lambada")).toEqual([`\n${LONG}`, `\n${LONG} and more`]);
  const json = `${JSON.stringify({ text: `“${LONG}\nand more` })}\n\n${JSON.stringify({ text: LONG })}\n`;
  expect(rowsOf("lambada", json)).toEqual([`\n"${LONG}\nand more`, `\n${LONG}`]);
  expect(readDataset("lambada", json, "x").form).not.toBe(readDataset("lambada", excerpts.lambada, "x").form);
});

test("ptb and lm1b: a sentence a row, without the spaces around it", () => {
  expect(rowsOf("ptb")).toEqual(["the ? of mr. fox rose 1 N", "it didn't last"]);
  expect(rowsOf("lm1b")).toEqual(['The fox said: "It rose."', "Did it?"]);
});

test("text8: the last 5 %, as one text", () => {
  const { rows, size } = readDataset("text8", `${excerpts.text8}\n`, "text8");
  expect(size).toBe(3400); // its last character, a space, is cut off with the line break
  expect(rows).toEqual([excerpts.text8.trimEnd().slice(-170)]);
});

describe("refused", () => {
  const refusal = (name: DatasetName, text: string): string => {
    try {
      readDataset(name, text, "some.txt");
    } catch (error) {
      return (error as Error).message;
    }
    return "";
  };
  const prose = "The fox went out.\nIt was a chilly night, and he prayed to the moon.\n";

  test.each(datasetNames)("%s: prose, blank lines, another set's file", (name) => {
    for (const text of [
      prose,
      "\n \n",
      ...datasetNames.filter((other) => rowForms[other] !== rowForms[name]).map((other) => excerpts[other]),
    ])
      expect(refusal(name, text)).toMatch(/^--data some\.txt: does not look like .+; expected .+/);
    expect(refusal(name, excerpts[name])).toBe("");
  });
  /** Both WikiTexts look alike. */
  const rowForms: Record<DatasetName, string> = { wikitext2: "w", wikitext103: "w", lambada: "l", ptb: "p", lm1b: "b", text8: "t" };

  test("JSON lines without text, or broken", () => {
    expect(refusal("lambada", '{"passage": "a"}\n')).toMatch(/does not look like LAMBADA/);
    expect(refusal("lambada", '{"text": "a"\n')).toMatch(/does not look like LAMBADA/);
  });
});
