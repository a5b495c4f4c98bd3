/**
 * docs/theory.md and docs/parity.md point to code and tests: what a link's text names stands in the file it leads to, and in the theory every formula is
 * followed by a function and by a test. (That links of all pages lead somewhere: readme.test.ts.)
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "./tools.ts";

const links = (text: string) =>
  [...text.matchAll(/\[([^\]]+)\]\((\.\.\/[^)\s]+\.ts)\)/g)].map(([, label, target]) => ({
    label: label!.replaceAll("`", "").replaceAll(/\s+/g, " "),
    file: target!.slice("../".length),
  }));

describe.each(["docs/theory.md", "docs/parity.md"])("%s", (page) => {
  const text = readFileSync(join(root, page), "utf8");
  it("names what is there: functions and tests, by the names they have", () => {
    const all = links(text);
    expect(all.length).toBeGreaterThan(30);
    const content = new Map(all.map(({ file }) => [file, readFileSync(join(root, file), "utf8")]));
    expect(all.filter(({ label, file }) => !content.get(file)!.includes(label))).toEqual([]);
  });
});

it("in the theory a function and a test follow every formula", () => {
  const text = readFileSync(join(root, "docs/theory.md"), "utf8");
  // A formula is an indented block; what belongs to it stands between it and the next block or heading.
  const formulas = [...text.matchAll(/(?:^ {4}\S.*\n(?:^ {4,}\S.*\n)*)([^]*?)(?=^ {4}\S|^## |$(?![^]))/gm)].map(([whole, after]) => ({
    formula: whole.split("\n")[0]!.trim(),
    after: links(after!).map(({ file }) => file),
  }));
  expect(formulas.length).toBeGreaterThan(14);
  for (const room of ["src/", "test/"])
    expect(formulas.filter(({ after }) => !after.some((file) => file.startsWith(room))).map(({ formula }) => formula)).toEqual([]);
});
