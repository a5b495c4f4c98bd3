/** Where runs begin: fresh, fine-tuned, resumed; and every setting and text that is refused, before anything is overwritten. */
import { cpSync, existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readModel } from "../../src/model.ts";
import { seddObjective } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { configOf, train } from "../../src/training/train.ts";
import {
  bits,
  expectUserError,
  metricsOf,
  parametersOf,
  setting,
  temporaryFolder,
  text,
  tinyRecipe,
  withSteps,
  writeCorpus,
} from "./support.ts";

/** A signal that comes when the texts are ready and before the first step. */
function beforeFirstStep(out: string): AbortSignal {
  const controller = new AbortController();
  const look = (): void => {
    if (existsSync(join(out, "recipe.yaml"))) controller.abort();
    else setImmediate(look);
  };
  look();
  return controller.signal;
}

test("fine-tuning: step 0 is the given model under its tokenizer", async () => {
  const { folder, out, recipe } = setting();
  await train({ recipe, out });
  const { parameters, tokenizer, config } = await readModel(out);
  const from = { parameters, tokenizer: tokenizer!.toJSON(), config: config.sedd };
  // A text with fewer characters: the model's tokenizer counts, not one trained on it.
  const fewer = "one old fox met the king ".repeat(20);
  const other = tinyRecipe(writeCorpus(join(folder, "other"), { train: fewer, valid: fewer }));
  const tuned = join(folder, "tuned");
  expect(await train({ recipe: other, out: tuned, from, signal: beforeFirstStep(tuned) })).toEqual({ step: 0, interrupted: true });
  expect(readFileSync(join(tuned, "tokenizer.json"))).toEqual(readFileSync(join(out, "tokenizer.json")));
  for (const weights of ["raw", "ema"] as const) expect(bits((await readModel(tuned, weights)).parameters)).toEqual(bits(parameters));
  expect(await train({ recipe: other, out: tuned, resume: true, from })).toEqual({ step: 4, interrupted: false });
  expect(bits(await parametersOf(tuned))).not.toEqual(bits(parameters));
  expect(bits((await readModel(out)).parameters)).toEqual(bits(parameters)); // the given array is not trained in place
});

test("fine-tuning: another network is refused, by size or by configuration", async () => {
  const { folder, out, recipe, corpus } = setting();
  await train({ recipe, out });
  const { parameters, config } = await readModel(out);
  const wider = tinyRecipe(corpus, { network: { hidden: 32 } });
  const size = /^--from: the model has \d+ parameters, the recipe's network \d+; make network and tokenizer agree/;
  await expectUserError({ recipe: wider, out: join(folder, "c"), from: { parameters } }, size);
  const heads = tinyRecipe(corpus, { network: { heads: 4 } });
  const from = { parameters, config: config.sedd };
  await expectUserError({ recipe: heads, out: join(folder, "d"), from }, /^--from: the model's network\.heads is 2, the recipe's 4/);
  // Before hours of work on the texts, of which any that is missing is heard of first.
  expect(existsSync(join(folder, "d", "train.tokens"))).toBe(false);
  const nowhere = tinyRecipe({ ...corpus, valid: join(folder, "none.txt") });
  await expectUserError({ recipe: nowhere, out: join(folder, "e") }, /none\.txt/);
  expect(existsSync(join(folder, "e", "train.tokens"))).toBe(false);
});

test("fresh parameters come from the recipe's seed alone", async () => {
  const { out, recipe } = setting();
  await train({ recipe, out, signal: beforeFirstStep(out) });
  const config = configOf(recipe, (await loadTokenizer(join(out, "tokenizer.json"))).size);
  const initial = seddObjective(config).initialize(random(recipe.seed, 0x696e6974));
  expect(bits(await parametersOf(out))).toEqual(bits(initial));
});

test("resuming with another network, objective, seed, tokenizer or optimizer is refused by name, and changes nothing", async () => {
  const { out, recipe, corpus } = setting();
  await train({ recipe, out });
  const contents = () => readdirSync(out).map((name) => [name, readFileSync(join(out, name))]);
  const before = contents();
  const others: [Record<string, unknown>, RegExp][] = [
    [{ network: { hidden: 32 } }, /^network\.hidden: 32, but the run .* was begun with 16; resume with that, or begin another run/],
    [{ network: { dropout: 0.2 } }, /^network\.dropout: 0\.2, but .* 0;/],
    [{ objective: { parameterization: "score" } }, /^objective\.parameterization: "score", but .* "normalized";/],
    [{ objective: { noise: { kind: "loglinear", eps: 0.01 } } }, /^objective\.noise\.eps: 0\.01, but .* 0\.001;/],
    [{ objective: { noise: { kind: "geometric" } } }, /^objective\.noise\.kind: "geometric", but .* "loglinear";/],
    [{ seed: 5 }, /^seed: 5, but .* 1;/],
    [{ tokenizer: { kind: "bpe", size: 300 } }, /^tokenizer: \{"kind":"bpe","size":300\}, but .* \{"kind":"character"\};/],
    [{ optimizer: { kind: "muon" } }, /^optimizer\.kind: "muon", but .* "adamw";/],
    [{ data: { separator: "the" }, tokenizer: { kind: "character", special: ["<|endoftext|>"] } }, /^data\.separator: "the", but .* none;/],
  ];
  for (const [changes, message] of others) {
    await expectUserError({ recipe: tinyRecipe(corpus, { schedule: { steps: 9 }, ...changes }), out, resume: true }, message);
    expect(contents()).toEqual(before);
  }
});

test("what may change when a run goes on: rates, decay, batches, windows, validation, average, threads, name", async () => {
  const { out, recipe, corpus } = setting({ schedule: { steps: 2 } });
  await train({ recipe, out });
  const changed = tinyRecipe(corpus, {
    name: "renamed",
    schedule: { steps: 3, decay: "cosine", warmup: 0 },
    optimizer: { learningRate: 1e-4, weightDecay: 0.1, clip: 0 },
    batch: { tokens: 32, accumulate: 3 },
    windows: [{ length: 8 }, { length: 32 }],
    ema: 0.5,
    validation: { windows: 16, every: 1 },
    threads: 2,
  });
  expect(await train({ recipe: changed, out, resume: true })).toEqual({ step: 3, interrupted: false });
  expect((await readModel(out)).config.length).toBe(32);
  expect(metricsOf(out).findLast(({ kind }) => kind === "step")).toMatchObject({ step: 3, tokens: 2 * 64 + 96 });
});

test("resuming with another corpus is refused, also where the packed tokens are gone; the same tokenizer by path will do", async () => {
  const { folder, out, recipe } = setting();
  await train({ recipe, out });
  const longer = withSteps(recipe, 5);
  const elsewhere = writeCorpus(join(folder, "elsewhere"), { train: text(1400) });
  const other = { ...longer, data: { ...recipe.data, train: [elsewhere.train] } };
  await expectUserError({ recipe: other, out, resume: true }, /^data\.train: .*elsewhere.*: not the text .* train\.txt \(1500 bytes\)/);
  const copy = join(folder, "copy");
  cpSync(out, copy, { recursive: true });
  rmSync(join(copy, "train.tokens"));
  await expectUserError({ recipe: other, out: copy, resume: true }, /^corpus: 1400 tokens, but the state to resume is of a corpus of 1500/);
  expect(await train({ recipe: { ...longer, tokenizer: join(out, "tokenizer.json") }, out, resume: true })).toMatchObject({ step: 5 });
});

test("texts that will not do: empty, shorter than a window, missing, not UTF-8, a character that the tokenizer lacks", async () => {
  const folder = temporaryFolder();
  let n = 0;
  const attempt = async (contents: Parameters<typeof writeCorpus>[1], message: RegExp, changes = {}): Promise<void> => {
    const at = join(folder, String(n++));
    await expectUserError({ recipe: tinyRecipe(writeCorpus(at, contents), changes), out: join(at, "run") }, message);
  };
  await attempt({ train: "" }, /train\.txt: the corpus is empty/);
  await attempt({ valid: "" }, /valid\.txt: the corpus is empty/);
  await attempt({ train: "the king", valid: "the king" }, /^data\.train: .*train\.txt: 8 tokens are fewer than one window of 16/);
  const broken = Buffer.from(text(300));
  broken[123] = 0xff;
  await attempt({ train: broken }, /train\.txt: not valid UTF-8 at byte offset 123 \(byte 0xff\)/);
  await attempt({ valid: broken }, /valid\.txt: not valid UTF-8 at byte offset 123/);
  await attempt({ valid: "the king saw a zebra" }, /valid\.txt.*z/);
  await attempt({}, /cannot read .*nowhere\.txt: there is no such file/, { data: { train: [join(folder, "nowhere.txt")] } });
  await attempt({}, /cannot read .*no-tokenizer\.json/, { tokenizer: join(folder, "no-tokenizer.json") });
});

test("a validation text shorter than a window is scored whole", async () => {
  const folder = temporaryFolder();
  const recipe = tinyRecipe(writeCorpus(join(folder, "data"), { valid: "the king" }), { schedule: { steps: 1 } });
  await train({ recipe, out: join(folder, "run") });
  const bound = metricsOf(join(folder, "run")).find(({ kind }) => kind === "validation") as { natsPerToken: number };
  expect(bound.natsPerToken).toBeGreaterThan(0);
});
