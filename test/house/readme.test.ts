/**
 * The README, and docs/library.md, run as printed. A comment before each block says how: `<!-- run -->`, `<!-- run with: ARGUMENTS -->` (added to each `npx sedd`, to be
 * quick), or `<!-- not run: REASON -->`. The blocks run in order in one scratch folder that looks like a checkout. Links of all pages lead somewhere.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { printed, root, run } from "./tools.ts";

interface Block {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly code: string;
  /** The comment before the block. */
  readonly mark: string | undefined;
}

async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(join(root, page), "utf8");
  return [...text.matchAll(/(?:<!-- (?<mark>.*?) -->\n\n)?^```(?<language>\w*)\n(?<code>[\s\S]*?)^```$/gm)].map(({ index, groups }) => ({
    page,
    line: text.slice(0, index).split("\n").length,
    language: groups!.language!,
    code: groups!.code!,
    mark: groups!.mark,
  }));
}
const blocks = (await Promise.all(["README.md", "docs/library.md"].map(blocksOf))).flat();
const toRun = blocks.filter(({ mark }) => !mark?.startsWith("not run"));

describe("the examples", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "sedd-readme-"));
    await mkdir(join(folder, "node_modules"));
    await symlink(root, join(folder, "node_modules", "sedd"), "junction");
    await symlink(join(root, "data"), join(folder, "data"), "junction");
    await cp(join(root, "recipes"), join(folder, "recipes"), { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it("are each marked", () => {
    expect(blocks.length).toBeGreaterThan(5);
    expect(blocks.filter(({ mark }) => mark === undefined || !/^(run|run with: .+|not run: .+)$/.test(mark))).toEqual([]);
    expect(toRun.filter(({ language }) => language !== "sh" && language !== "js")).toEqual([]);
  });

  it.each(toRun)("$page, line $line: $code", async ({ page, line, language, code, mark }) => {
    const file = `${basename(page)}-${line}.${language === "js" ? "mjs" : "sh"}`;
    const extra = mark!.slice("run with: ".length);
    // npx, without its start-up and its cache: the checkout's own command, with the arguments of the mark.
    const npx = `npx() { [ "$1" = sedd ] || return 1; shift; "${process.execPath}" "${join(root, "bin", "sedd.js")}" "$@" ${extra}; }\n`;
    await writeFile(join(folder, file), language === "js" ? code : `set -euo pipefail\n${npx}${code}`);
    const outcome = await run(language === "js" ? process.execPath : "bash", [file], { cwd: folder });
    if (outcome.code !== 0) expect.fail(`exit code ${outcome.code}\n${printed(outcome)}`);
    expect(outcome.stdout.trim() + (code.includes("sedd train") ? outcome.stderr : ""), "nothing was printed").not.toBe("");
  });

  it("fill holes around what is given", async () => {
    const line = blocks.flatMap(({ code }) => code.split("\n")).find((text) => text.startsWith("npx sedd infill"))!;
    const template = /"(.*)"/.exec(line)![1]!;
    const outcome = await run(process.execPath, ["bin/sedd.js", "infill", template, "--steps", "4", "--seed", "1", "--json"]);
    expect(outcome.code, printed(outcome)).toBe(0);
    const { text } = JSON.parse(outcome.stdout) as { text: string };
    const given = template.split(/\[\[\d+\]\]/);
    expect(text.startsWith(given[0]!) && text.endsWith(given.at(-1)!), text).toBe(true);
    for (const span of given) expect(text).toContain(span);
  });
});

const pages = [
  ...(await readdir(root)).filter((name) => name.endsWith(".md")),
  ...(await Promise.all(["docs", "bench", "data", "models", "test/fixtures"].map(async (folder) => pagesIn(folder)))).flat(),
];

async function pagesIn(folder: string): Promise<string[]> {
  const names = await readdir(join(root, folder), { recursive: true }).catch(() => []);
  return names.filter((name) => name.endsWith(".md")).map((name) => join(folder, name));
}

it.each(pages)("%s: its links lead somewhere", async (page) => {
  const text = (await readFile(join(root, page), "utf8")).replaceAll(/```[\s\S]*?```/g, "");
  const targets = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!.split("#")[0]!)
    .filter((target) => target !== "" && !/^\w+:/.test(target));
  expect(targets.filter((target) => !existsSync(join(root, dirname(page), target)))).toEqual([]);
});
