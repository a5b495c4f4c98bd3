/** `sedd score` and the comparison of `sedd eval`: what is printed, that it is the library's own, and what is refused. */
import { fixturePath } from "../support/fixtures.ts";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { load, type Model } from "../../src/model.ts";
import { cli, inputOf, temporaryFolder, writeTinyModel } from "./support.ts";

async function tinyModel(): Promise<{ folder: string; library: Model }> {
  const folder = await temporaryFolder();
  await writeTinyModel(folder);
  const library = await load(folder, { threads: 1 });
  onTestFinished(() => library.dispose());
  return { folder, library };
}
const args = (folder: string, ...more: string[]): string[] => ["--model", folder, "--threads", "1", ...more];
const template = "the [[king]] saw a fox";

test("--json prints the library's own score; the table has its numbers and the seed", async () => {
  const { folder, library } = await tinyModel();
  const printed = await cli(["score", template, ...args(folder, "--json", "--samples", "4", "--top", "2")]);
  expect(printed).toMatchObject({ code: 0, stderr: "" });
  const own = await library.score(template, { samples: 4, top: 2 });
  expect(JSON.parse(printed.stdout)).toEqual(own);
  expect(own.positions).toHaveLength(4);
  const table = (await cli(["score", "-", ...args(folder, "--samples", "4", "--seed", "0")], { stdin: inputOf(`${template}\n`) })).stdout;
  expect(table).toContain(`≤ ${own.bound!.nats.toFixed(3)} ± ${own.bound!.standardError.toFixed(3)} nats`);
  expect(table).toMatch(/4 tokens, .* 4 samples, seed 0\n/);
  for (const { text, nats } of own.positions) expect(table).toContain(`"${text}"`.padEnd(5) + `  ${nats!.toFixed(3)}`);
});

test("a hole: the laws at its positions", async () => {
  const { folder } = await tinyModel();
  const { stdout } = await cli(["score", "the [[2]] saw", ...args(folder, "--top", "1")]);
  expect(stdout.trimEnd().split("\n")).toHaveLength(4);
  expect(stdout).toMatch(/^given everything else, each token:\ntoken +nats +entropy +likeliest\n\[\[ \]\] /);
});

test("candidates from options and a file, several places as JSON lists; the likeliest first", async () => {
  const { folder, library } = await tinyModel();
  const file = join(folder, "candidates.txt");
  await writeFile(file, "fox\nking\n");
  const ranked = await cli(["score", template, ...args(folder, "--candidate", "the", "--candidates", file, "--samples", "4", "--json")]);
  const own = await library.rank(template, ["the", "fox", "king"], { samples: 4 });
  expect(JSON.parse(ranked.stdout)).toEqual(own);
  const table = (await cli(["score", template, ...args(folder, "--candidate", "the", "--candidates", file, "--samples", "4")])).stdout;
  expect(table.split("\n")[1]).toMatch(new RegExp(`^1 +${own.candidates[0]!.nats.toFixed(3)} ± `));
  const two = await cli(["score", "[[a]] saw [[b]]", ...args(folder, "--candidate", '["the king","a fox"]', "--samples", "2", "--json")]);
  expect(JSON.parse(two.stdout).candidates[0].parts).toEqual(["the king", "a fox"]);
});

test.each<[string[], RegExp]>([
  [["the fox saw"], /^sedd: the template has nothing to judge; put it in brackets, for example .*\n$/],
  [["[[a]] saw [[b]]", "--candidate", "the"], /^sedd: candidate the: the template has 2 places; expected a JSON list of 2 texts, .*\n$/],
  [["[[a]]", "--samples", "1"], /^sedd: --samples 1: expected a whole number from 2 .*\n$/],
  [["[[a"], /^sedd: .*\[\[ at character 1 is not closed.*\n$/],
])("%j is the user's mistake", async (words, message) => {
  const { folder } = await tinyModel();
  const { code, stderr } = await cli(["score", ...args(folder), ...words]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});

test("eval --against: the difference with its error, under the same noise; --estimator reaches the model", async () => {
  const { folder, library } = await tinyModel();
  const data = join(folder, "data.txt");
  await writeFile(data, "the king saw a fox and the fox saw the king");
  const common = ["eval", ...args(folder), "--data", data, "--samples", "4"];
  const { stdout, code } = await cli([...common, "--against", folder, "--json"]);
  expect(code).toBe(0);
  const report = JSON.parse(stdout);
  expect(report.against).toMatchObject({ model: folder, difference: 0, standardError: 0, paired: true, unit: "bits per character" });
  expect(report.against.natsPerToken).toBe(report.natsPerToken);
  expect((await cli([...common, "--against", folder])).stdout).toContain(
    "\ndifference            0.0000 ± 0.0000 bits per character, under the same noise\n",
  );
  // Before anything is scored.
  for (const [other, message] of [
    ["fairytails", /^sedd: model fairytails: /],
    [fixturePath("sedd-absorb"), /^sedd: model .*sedd-absorb: has no tokenizer\.json/],
  ] as const) {
    const refused = await cli([...common, "--against", other]);
    expect([refused.code, refused.stdout]).toEqual([2, ""]);
    expect(refused.stderr).toMatch(message);
  }
  const fixed = JSON.parse((await cli([...common, "--estimator", "left-to-right", "--json"])).stdout);
  const own = await library.likelihood("the king saw a fox and the fox saw the king", { estimator: "left-to-right" });
  expect(fixed).toMatchObject({ natsPerToken: own.natsPerToken, standardError: 0, protocol: { estimator: "left-to-right" } });
});
