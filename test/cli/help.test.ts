/** docs/cli.md is what `--help` prints. `npm run docs` (this test with --update) writes it anew. */
import { expect, test } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { cli } from "./support.ts";

const nested: Record<string, string[][]> = { tokenizer: [["tokenizer", "train"]] };

test("every command's --help stands in docs/cli.md", async () => {
  const pages = [[], ...commands.flatMap(({ name }) => [[name], ...(nested[name] ?? [])])];
  let text = "# Command line\n\nWhat `--help` prints, command by command (written by `npm run docs`).\n";
  for (const page of pages) {
    const { code, stdout, stderr } = await cli([...page, "--help"]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    text += `\n## ${["sedd", ...page].join(" ")}\n\n\`\`\`text\n${stdout.trimEnd()}\n\`\`\`\n`;
  }
  await expect(text).toMatchFileSnapshot("../../docs/cli.md");
});

test("no command is missing a nested page", async () => {
  for (const { name } of commands) {
    const { stdout } = await cli([name, "--help"]);
    expect(stdout.includes("Commands:")).toBe(name in nested);
  }
});
