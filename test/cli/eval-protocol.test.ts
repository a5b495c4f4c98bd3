/** `sedd eval --protocol`: what is printed beside the likelihood, and what is refused. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { paperLikelihood } from "../../src/evaluation/protocol.ts";
import { readDataset } from "../../src/evaluation/datasets.ts";
import { load } from "../../src/model.ts";
import { cli, temporaryFolder, writeTinyModel } from "./support.ts";

// In the letters of the tiny model: "the king saw a fox and the fox saw the king, and they were glad."
const PASSAGE = "the king saw a fox and the fox saw the king and they were glad and the king saw they were glad the fox was";

async function tiny(): Promise<{ folder: string; data: string }> {
  const folder = await temporaryFolder();
  await writeTinyModel(folder);
  const data = join(folder, "lambada.txt");
  await writeFile(data, `${PASSAGE}\n`.repeat(9));
  return { folder, data };
}
const args = (folder: string, ...more: string[]): string[] => ["eval", "--model", folder, "--threads", "1", "--data", ...more];

test("the same fields, and a protocol that names all that the number depends on", async () => {
  const { folder, data } = await tiny();
  const paper = ["--protocol", "sedd-paper", "--dataset", "lambada", "--samples", "2"];
  const { code, stdout } = await cli(args(folder, data, ...paper, "--json"));
  expect(code).toBe(0);
  const model = await load(folder, { threads: 1 });
  onTestFinished(() => model.dispose());
  const { model: name, ...likelihood } = await paperLikelihood(model, readDataset("lambada", await readFile(data, "utf8"), data), data, {
    samples: 2,
  });
  expect(JSON.parse(stdout)).toEqual({ model: name, data, ...likelihood });
  expect(likelihood.protocol).toMatchObject({ name: "sedd-paper", dataset: "LAMBADA", detokenizer: "lambada", window: 12, samples: 2 });

  const table = (await cli(args(folder, data, ...paper))).stdout;
  for (const difference of likelihood.protocol.differences) expect(table).toContain(`  ${difference}\n`);
  expect(likelihood.protocol.differences.length).toBeGreaterThan(3);
});

test("--against another model, under the same protocol", async () => {
  const { folder, data } = await tiny();
  const { stdout } = await cli(args(folder, data, "--protocol", "sedd-paper", "--dataset", "lambada", "--against", folder, "--json"));
  expect(JSON.parse(stdout)).toMatchObject({ against: { difference: 0, standardError: 0, paired: true } });
});

test("refused in one line: half of the pair, a file of another kind, one that fills no window", async () => {
  const { folder, data } = await tiny();
  const refused = async (message: RegExp, ...more: string[]): Promise<void> => {
    const { code, stderr } = await cli(args(folder, ...more));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split("\n").length).toBe(1);
  };
  await refused(/--protocol sedd-paper: needs --dataset, one of lambada, wikitext2,/, data, "--protocol", "sedd-paper");
  await refused(/--dataset ptb: needs --protocol sedd-paper/, data, "--dataset", "ptb");
  await refused(
    /'webtext' is invalid.*lambada, wikitext2, wikitext103, ptb, lm1b, text8/,
    data,
    "--protocol",
    "sedd-paper",
    "--dataset",
    "webtext",
  );
  await refused(/does not look like Penn Treebank; expected/, data, "--protocol", "sedd-paper", "--dataset", "ptb");
  const short = join(folder, "short.txt");
  await writeFile(short, "the king saw a fox\n");
  await refused(
    /its tokens \(1\) fill no window of 12; give the whole of text8\n$/,
    short,
    "--protocol",
    "sedd-paper",
    "--dataset",
    "text8",
  );
});
