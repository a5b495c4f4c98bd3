/** Folders of GPT-2 and BERT on the command line, as any model's. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseTokenizer } from "../../src/text/tokenizer.ts";
import { golden } from "../support/fixtures.ts";
import { charactersWithEnd, publishedFolder, VOCABULARY, wordsWith } from "../support/published-folder.ts";
import { cli, recorded, screenOf } from "./support.ts";

test("sedd eval gives a text of GPT-2's fixture its golden −log p, exactly", async () => {
  const io = golden("gpt2/io.safetensors");
  const [begin, ...tokens] = io.int32("input_ids").slice(40) as Int32Array;
  const logits = io.float64("logits_f64").slice(40 * VOCABULARY);
  const nats = tokens.reduce((sum, token, i) => {
    const row = Array.from(logits.subarray(i * VOCABULARY, (i + 1) * VOCABULARY));
    return sum + Math.log(row.reduce((total, logit) => total + Math.exp(logit), 0)) - row[token]!;
  }, 0);
  const tokenizer = charactersWithEnd(begin!);
  const folder = await publishedFolder("gpt2", tokenizer);
  const data = join(folder, "text.txt");
  await writeFile(data, parseTokenizer(tokenizer).decode(tokens));
  const args = ["eval", "--model", folder, "--data", data, "--threads", "1"];
  const { code, stdout } = await cli([...args, "--json"]);
  expect(code).toBe(0);
  const { natsPerToken, standardError, tokenCount, protocol } = JSON.parse(stdout);
  expect([tokenCount, standardError, protocol.estimator]).toEqual([19, 0, "left-to-right"]);
  expect(Math.abs(natsPerToken - nats / 19)).toBeLessThan(1e-5); // float32 logits
  expect((await cli(args)).stdout).toMatch(/nats per token +=/);
});

test("a recorded run is watched again with the tokenizer of a folder in its older form", async () => {
  const { model } = wordsWith({ "[CLS]": 1, "[SEP]": 2, "[MASK]": 3, "[UNK]": 4 }) as { model: { vocab: Record<string, number> } };
  const folder = await publishedFolder("bert", undefined);
  await writeFile(join(folder, "vocab.txt"), Object.keys(model.vocab).join("\n"));
  const file = join(folder, "run.jsonl");
  const infill = ["infill", "w7 [[3]] w8", "--model", folder, "--threads", "1", "--seed", "1", "--record", file];
  const { code, stdout, stderr } = await cli(infill);
  expect(code, stderr).toBe(0);
  const output = recorded({ columns: 60 });
  expect(await cli(["replay", file, "--watch"], { stdout: output })).toMatchObject({ code: 0 });
  expect(screenOf(output.text, 60).lines.join("\n")).toBe(stdout);
  await rm(join(folder, "vocab.txt"));
  expect(await cli(["replay", file, "--watch"])).toMatchObject({
    code: 2,
    stderr: `sedd: model ${folder}: has no tokenizer, so --watch has no texts to show; leave --watch out\n`,
  });
});

test("sedd infill writes between words with BERT; a folder without a tokenizer is one line", async () => {
  const folder = await publishedFolder("bert", wordsWith({ "[CLS]": 1, "[SEP]": 2, "[MASK]": 3, "[UNK]": 4 }));
  const { code, stdout } = await cli(["infill", "w7 [[3]] w8", "--model", folder, "--threads", "1", "--seed", "1"]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^w7 (\S+ ){3}w8\n$/);
  const bare = await publishedFolder("bert", undefined);
  const refused = await cli(["infill", "w7 [[3]] w8", "--model", bare]);
  expect([refused.code, refused.stdout]).toEqual([2, ""]);
  expect(refused.stderr).toMatch(/^sedd: .* has no tokenizer; tokenizer\.json or vocab\.txt would do\n$/);
});
