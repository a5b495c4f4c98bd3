/** `sedd convert`: what it reads, what it writes, what it refuses. */
import { cp, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { halfValues, toHalf } from "../../src/formats/half.ts";
import { load, readModel, saveModel } from "../../src/model.ts";
import { characterFile } from "../../src/text/character.ts";
import { configOf, parametersOf } from "../objectives/support.ts";
import { fixturePath, golden } from "../support/fixtures.ts";
import { startHub } from "../support/hub-server.ts";
import { publishedFolder } from "../support/published-folder.ts";
import { story, storyTokenizer } from "../text/helpers.ts";
import { cli, temporaryFolder, writeTinyModel, type Ran } from "./support.ts";

const official = fixturePath("sedd-absorb");
const characters = (size: number): string =>
  JSON.stringify(characterFile(Array.from({ length: size }, (_, i) => String.fromCodePoint(0x61 + i))));

/** A folder with some of the official fixture's files. */
async function folderWith(...files: string[]): Promise<string> {
  const folder = await temporaryFolder();
  for (const file of ["config.json", ...files]) await cp(join(official, file), join(folder, file));
  return folder;
}

/** The one line of standard error. */
function refused({ code, stdout, stderr }: Ran): string {
  expect([code, stdout]).toEqual([2, ""]);
  return stderr.trimEnd().split("\n").at(-1)!;
}

test("an official folder becomes one with its weights, bit for bit, and a tokenizer; text-level calls work then", async () => {
  const [folder, out] = [await folderWith("model.safetensors"), join(await temporaryFolder(), "new", "model")];
  const tokenizer = join(await temporaryFolder(), "tokenizer.json");
  await writeFile(tokenizer, characters(50));
  const { code, stdout, stderr } = await cli(["convert", folder, "--out", out, "--tokenizer", tokenizer]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: `sedd: reading ${folder}\nsedd: writing ${out}\n` });
  const { parameters } = await readModel(official);
  expect(stdout).toBe(`${out}  ${(parameters.length / 1e6).toFixed(1)} M parameters  length 24  0.6 MB  f32  50 tokens, character\n`);
  expect((await readdir(out)).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
  expect((await readModel(out)).parameters).toEqual(parameters);
  const [model, original] = [await load(out, { threads: 1 }), await load(official, { threads: 1 })];
  const io = golden("sedd-absorb/io.safetensors");
  const [x, sigma] = [io.int32("x"), io.float64("sigma")];
  expect(await model.logScore(x, sigma)).toEqual(await original.logScore(x, sigma));
  expect((await model.sample({ steps: 2, length: 5, seed: 1 }))[0]!.tokens).toHaveLength(5);
  await Promise.all([model.dispose(), original.dispose()]);
});

test("without a tokenizer it says so, and does it all the same; --json is one object", async () => {
  const out = join(await temporaryFolder(), "model");
  const { code, stdout, stderr } = await cli(["convert", await folderWith("pytorch_model.bin"), "--out", out, "--dtype", "f16", "--json"]);
  expect(code).toBe(0);
  expect(stderr).toContain(`sedd: ${out} has no tokenizer, so it takes and gives token ids only; --tokenizer adds one\n`);
  const { parameters } = await readModel(official);
  const bytes = (await stat(join(out, "model.safetensors"))).size;
  expect(JSON.parse(stdout)).toEqual({
    model: expect.any(String),
    out,
    parameters: parameters.length,
    length: 24,
    dtype: "f16",
    bytes,
    tokenizer: null,
  });
  const halves = halfValues();
  expect((await readModel(out)).parameters).toEqual(parameters.map((value) => halves[toHalf(value)]!));
});

test("of a checkpoint the average or the raw weights; a saved model with its own tokenizer", async () => {
  const folder = await folderWith("checkpoint.pth");
  const [ema, raw] = [join(await temporaryFolder(), "ema"), join(await temporaryFolder(), "raw")];
  expect((await cli(["convert", folder, "--out", ema])).code).toBe(0);
  expect((await cli(["convert", folder, "--out", raw, "--weights", "raw"])).code).toBe(0);
  expect((await readModel(ema)).parameters).toEqual((await readModel(folder, "ema")).parameters);
  expect((await readModel(raw)).parameters).toEqual((await readModel(official)).parameters);
  const [tiny, copy] = [await temporaryFolder(), join(await temporaryFolder(), "copy")];
  await writeTinyModel(tiny);
  const { stdout } = await cli(["convert", tiny, "--out", copy, "--json"]);
  const { tokenizer } = await readModel(tiny);
  expect(JSON.parse(stdout).tokenizer).toEqual({ kind: "character", size: tokenizer!.size });
  expect((await readModel(copy)).tokenizer!.toJSON()).toEqual(tokenizer!.toJSON());
});

describe("GPT-2's tokenizer as it was first published", () => {
  const json = storyTokenizer(["<|endoftext|>"]).toJSON() as { model: { vocab: Record<string, number>; merges: [string, string][] } };
  const older = async (folder: string): Promise<void> => {
    await writeFile(join(folder, "vocab.json"), JSON.stringify({ ...json.model.vocab, "<|endoftext|>": 320 }));
    await writeFile(join(folder, "merges.txt"), `#version: 0.2\n${json.model.merges.map((pair) => pair.join(" ")).join("\n")}\n`);
  };
  const model = async (): Promise<string> => {
    const folder = await temporaryFolder();
    const base = configOf("score");
    const sedd = { ...base, network: { ...base.network, states: 322 } };
    await saveModel(folder, { config: { sedd, length: 16 }, parameters: parametersOf(sedd) });
    return folder;
  };

  test("is written as a tokenizer.json", async () => {
    const [folder, out, tokens] = [await model(), join(await temporaryFolder(), "model"), await temporaryFolder()];
    await older(tokens);
    const { code, stdout } = await cli(["convert", folder, "--out", out, "--tokenizer", tokens]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/f32 {2}321 tokens, bpe\n$/)]);
    const written = await load(out, { threads: 1 });
    expect(written.tokenizer.encode(`${story}<|endoftext|>`)).toEqual(storyTokenizer(["<|endoftext|>"]).encode(`${story}<|endoftext|>`));
    await written.dispose();
  });

  test("is a model's own where it lies in its folder", async () => {
    const folder = await model();
    await older(folder);
    expect((await readModel(folder)).tokenizer!.size).toBe(321);
  });
});

test("by the id of a hub, with the download's progress", async () => {
  const hub = await startHub(
    Object.fromEntries(
      await Promise.all(
        ["config.json", "model.safetensors"].map(async (name) => [`louaaron/sedd-small/${name}`, await readFile(join(official, name))]),
      ),
    ) as Record<string, Uint8Array>,
  );
  const out = join(await temporaryFolder(), "model");
  const { code, stdout, stderr } = await cli(["convert", "louaaron/sedd-small", "--out", out, "--json"]);
  expect([code, JSON.parse(stdout).model]).toEqual([0, "louaaron/sedd-small"]);
  expect(stderr).toMatch(
    /^downloading config\.json 100 %\n(downloading model\.safetensors \d+ %\n)*downloading model\.safetensors 100 %\n/,
  );
  // Once it is here nothing is downloaded, nor said to be.
  const again = await cli(["convert", "louaaron/sedd-small", "--out", join(await temporaryFolder(), "again")]);
  expect([again.code, again.stderr]).toEqual([0, expect.not.stringContaining("downloading")]);
  expect(hub.asked.filter(({ path }) => path.endsWith("model.safetensors"))).toHaveLength(1);
  hub.files.clear();
  expect(refused(await cli(["convert", "no/such", "--out", join(await temporaryFolder(), "x")]))).toBe(
    `sedd: model no/such: no such folder and no shipped model; ${hub.address} has no such model, or no config.json of it`,
  );
});

describe("refused in one line, with nothing written", () => {
  test("a folder that holds a model, the model itself, a file", async () => {
    const folder = await folderWith("checkpoint.pth");
    expect(refused(await cli(["convert", official, "--out", folder]))).toBe(
      `sedd: --out ${folder}: holds a model already: checkpoint.pth; give an empty or a new folder`,
    );
    expect(refused(await cli(["convert", folder, "--out", `${folder}/.`]))).toContain("is the model itself; give an empty or a new folder");
    for (const name of ["checkpoint.safetensors", "config.json", "tokenizer.json"]) {
      const out = await temporaryFolder();
      await writeFile(join(out, name), "{}");
      expect(refused(await cli(["convert", official, "--out", out]))).toContain(`holds a model already: ${name}`);
      expect(await readdir(out)).toEqual([name]);
    }
    const file = join(folder, "checkpoint.pth");
    expect(refused(await cli(["convert", official, "--out", file]))).toBe(`sedd: --out ${file}: is a file; give an empty or a new folder`);
  });

  test("a tokenizer of another size, none, or one that is broken", async () => {
    const [out, tokens] = [join(await temporaryFolder(), "model"), await temporaryFolder()];
    const path = join(tokens, "tokens.json");
    await writeFile(path, characters(49));
    const convert = (tokenizer: string, model = official) => cli(["convert", model, "--out", out, "--tokenizer", tokenizer]);
    expect(refused(await convert(path))).toBe(
      `sedd: --tokenizer ${path}: has 49 tokens, the model's network 50; give the tokenizer that it was trained with`,
    );
    expect(refused(await convert(tokens))).toBe(
      `sedd: --tokenizer ${tokens}: the folder has no tokenizer; tokenizer.json, or vocab.json and merges.txt, would do`,
    );
    await writeFile(path, "{");
    expect(refused(await convert(path))).toContain("tokens.json: not JSON");
    expect(refused(await convert(join(tokens, "none.json")))).toContain("none.json: there is no such file or folder");
    const own = await folderWith("model.safetensors");
    await writeFile(join(own, "tokenizer.json"), characters(51));
    expect(refused(await cli(["convert", own, "--out", out]))).toBe(
      `sedd: model ${own}: its tokenizer has 51 tokens, the model's network 50; give the tokenizer that it was trained with`,
    );
    expect(await readdir(join(out, ".."))).toEqual([]);
  });

  test("GPT-2, a model that is not there, a value that half precision cannot hold", async () => {
    const out = join(await temporaryFolder(), "model");
    const gpt2 = await publishedFolder("bert", undefined);
    await writeFile(join(gpt2, "vocab.txt"), ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ...Array.from({ length: 55 }, (_, i) => `w${i}`)].join("\n")); // prettier-ignore
    expect(refused(await cli(["convert", gpt2, "--out", out]))).toMatch(
      /: a network of the transformers library is used as it is, not trained or saved here; give a model of ours$/,
    );
    expect(refused(await cli(["convert", "nowhere", "--out", out]))).toMatch(
      /^sedd: model nowhere: no such folder and no shipped model; shipped: /,
    );
    const large = await temporaryFolder();
    const { parameters, config } = await readModel(official);
    parameters[7] = 1e6;
    await saveModel(large, { config, parameters });
    expect(refused(await cli(["convert", large, "--out", out, "--dtype", "f16"]))).toContain("holds 1000000, which F16 cannot");
    expect(await readdir(out)).toEqual([]);
    await mkdir(join(out, "sub"));
    expect(refused(await cli(["convert", "--out", out]))).toBe("sedd: missing required argument 'model'; see sedd convert --help");
    expect(refused(await cli(["convert", official]))).toBe("sedd: required option '--out <dir>' not specified; see sedd convert --help");
  });

  test("Ctrl-C: 130, and nothing written", async () => {
    const controller = new AbortController();
    const out = join(await temporaryFolder(), "model");
    controller.abort();
    expect((await cli(["convert", official, "--out", out], { signal: controller.signal })).code).toBe(130);
    expect(await readdir(join(out, ".."))).toEqual([]);
  });
});
