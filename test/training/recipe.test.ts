/** Recipes: defaults, every kind of wrong key or value named in full, and --set. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { checkLongest, checkRecipe, configOf, lengthOf, readRecipe } from "../../src/training/recipe.ts";
import { plainRecipe, temporaryFolder } from "./support.ts";

const plain = (changes: Record<string, unknown> = {}): Record<string, unknown> => plainRecipe({ train: "a.txt", valid: "b.txt" }, changes);

function messageOf(raw: unknown): string {
  try {
    checkRecipe(raw, "r.yaml");
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  return "no error";
}

test("a short recipe gets the defaults; the longest window is the model's length", () => {
  const recipe = checkRecipe(plain({ windows: [{ length: 8, weight: 3 }, { length: 32 }] }), "r.yaml");
  expect(recipe.objective).toEqual({
    kind: "sedd",
    graph: "absorb",
    noise: { kind: "loglinear", eps: 1e-3 },
    parameterization: "normalized",
    scaleBySigma: true,
  });
  expect(recipe.windows).toEqual([
    { length: 8, weight: 3 },
    { length: 32, weight: 1 },
  ]);
  expect(recipe.optimizer).toMatchObject({ kind: "adamw", beta1: 0.9, clip: 1 });
  expect(lengthOf(recipe)).toBe(32);
});

test("the uniform graph has defaults of its own", () => {
  const { objective } = checkRecipe(plain({ objective: { graph: "uniform" } }), "r.yaml");
  expect(objective).toMatchObject({ graph: "uniform", parameterization: "score", scaleBySigma: false });
  expect(checkRecipe(plain({ objective: { parameterization: "score" } }), "r.yaml").objective).toMatchObject({ scaleBySigma: true });
});

test.each(readdirSync("recipes", { recursive: true, encoding: "utf8" }).filter((name) => /^(?!compare).*\.yaml$/.test(name)))(
  "the shipped recipe %s is valid",
  async (file) => {
    expect(`${(await readRecipe(join("recipes", file))).name}.yaml`).toBe(basename(file));
  },
);

describe("objectives", () => {
  const configFor = (changes: Record<string, unknown>) => configOf(checkRecipe(plain(changes), "r.yaml"), 10);

  test("without σ: no conditioning, one state more than tokens, a causal network for ar alone", () => {
    for (const kind of ["mlm", "ardm", "ar"] as const) {
      const { network, objective, graph } = configFor({ objective: { kind }, network: { conditioning: undefined } });
      expect([network.conditioning, network.states, network.causal ?? false]).toEqual([0, 11, kind === "ar"]);
      expect([objective, graph]).toEqual([kind, "absorb"]);
    }
    expect(configFor({ objective: {} })).not.toHaveProperty("objective");
  });

  test("ℓ2 is a variant of sedd", () => {
    expect(configFor({ objective: { loss: "l2" } })).toMatchObject({ loss: "l2", parameterization: "normalized" });
    expect(configFor({ objective: { loss: "score-entropy" } })).toEqual(configFor({ objective: {} }));
    // One run may be begun with the default written down, and gone on with by a recipe that leaves it out.
    expect(checkRecipe(plain({ objective: { loss: "score-entropy" } }), "r")).toEqual(checkRecipe(plain(), "r"));
  });

  test.each([
    [{ kind: "mlm", graph: "absorb" }, /objective\.graph: unknown key; known here: kind$/],
    [{ kind: "ar", loss: "l2" }, /objective\.loss: unknown key; known here: kind$/],
    [{ graph: "uniform", loss: "l2" }, /objective\.loss: "l2" is for graph "absorb" alone; give "score-entropy"$/],
  ])("%j is refused by name", (objective, message) => expect(messageOf(plain({ objective }))).toMatch(message));

  test("so is conditioning where there is no σ", () =>
    expect(messageOf(plain({ objective: { kind: "ardm" }, network: { conditioning: 8 } }))).toMatch(
      /network\.conditioning: 8 is for objective\.kind sedd alone; ardm is told no σ: leave it out$/,
    ));
});

describe("misspelt keys are named in full, with the keys known there", () => {
  test.each([
    ["at the top", { nmae: 1 }, /r\.yaml: nmae: unknown key; known here: name, data, .*checkpoint$/],
    ["in a section", { data: { trian: [] } }, /data\.trian: unknown key; known here: train, valid, separator$/],
    [
      "in a list",
      { windows: [{ length: 16 }, { lenght: 8 }] },
      /windows\.1\.lenght: unknown key; known here: length, weight, tokens, from, until$/,
    ],
    [
      "in a section that may also be a text",
      { tokenizer: { kind: "bpe", siez: 300 } },
      /tokenizer\.siez: unknown key; known here: kind, size, special$/,
    ],
    [
      "in one of several kinds",
      { objective: { noise: { kind: "geometric", eps: 1 } } },
      /objective\.noise\.eps: unknown key; known here: kind, sigmaMin, sigmaMax$/,
    ],
    [
      "two levels down",
      { objective: { parametrization: "score" } },
      /objective\.parametrization: unknown key; known here: kind, graph, noise, parameterization, scaleBySigma, loss$/,
    ],
    ["several at once", { optimizer: { lr: 1, betas: 2 } }, /optimizer\.lr: unknown key; .*; optimizer\.betas: unknown key; /],
  ])("%s", (_, changes, message) => expect(messageOf(plain(changes))).toMatch(message));
});

describe("wrong values are named with what would do", () => {
  test.each([
    [{ network: { hidden: "big" } }, 'network.hidden: "big" will not do; expected a number'],
    [{ network: { layers: 1.5 } }, "network.layers: 1.5 will not do; expected a whole number"],
    [{ network: { dropout: 1 } }, "network.dropout: 1 will not do; expected less than 1"],
    [{ network: { layers: 0 } }, "network.layers: 0 will not do; expected more than 0"],
    [{ objective: { kind: "gpt" } }, 'objective.kind: "gpt" will not do; expected "sedd" or "mlm" or "ardm" or "ar"'],
    [{ objective: { graph: "ring" } }, 'objective.graph: "ring" will not do; expected "absorb" or "uniform"'],
    [
      { objective: { graph: "uniform", parameterization: "normalized" } },
      'objective.parameterization: "normalized" needs the sum of the scores, known for graph "absorb" alone; give "score"',
    ],
    [
      { objective: { graph: "uniform", scaleBySigma: true } },
      'objective.scaleBySigma: true is for graph "absorb" alone, whose scores are of size 1/(e^σ−1); give false',
    ],
    [{ objective: { parameterization: "raw" } }, 'objective.parameterization: "raw" will not do; expected "score" or "normalized"'],
    [{ objective: { noise: { kind: "linear" } } }, 'objective.noise.kind: "linear" will not do; expected "loglinear" or "geometric"'],
    [{ objective: { noise: { kind: "geometric", sigmaMin: 3, sigmaMax: 2 } } }, "objective.noise.sigmaMin: 3 must be below sigmaMax (2)"],
    [{ optimizer: { beta1: 1 } }, "optimizer.beta1: 1 will not do; expected less than 1"],
    [{ optimizer: { learningRate: 0 } }, "optimizer.learningRate: 0 will not do; expected more than 0"],
    [{ ema: 2 }, "ema: 2 will not do; expected at most 1"],
    [{ tokenizer: 5 }, "tokenizer: 5 will not do; expected a file's path or a section"],
    [{ tokenizer: { kind: "bep" } }, 'tokenizer.kind: "bep" will not do; expected "bpe" or "character"'],
    [{ windows: [] }, "windows: [] will not do; expected a list of at least 1"],
    [{ windows: [{ length: 16 }, { length: 16 }] }, "windows: a length stands there twice (16, 16)"],
    [{ windows: [{ length: 16, until: 3 }, { length: 8 }, { length: 16, from: 3 }] }, "windows: a length stands there twice (16, 8, 16)"],
    [{ windows: [{ length: 16, tokens: 40 }] }, "windows.0.tokens: 40 must be a multiple of the window length 16"],
    [{ windows: [{ length: 16, from: 5, until: 4 }, { length: 8 }] }, "windows.0.until: 4 is before its from, 5"],
    [{ windows: [{ length: 16, from: 2 }] }, "windows: none is for step 1; let one begin there (from) or end later (until)"],
    [
      {
        windows: [
          { length: 16, until: 5 },
          { length: 8, from: 7 },
        ],
        schedule: { steps: 6 },
      },
      "windows: none is for step 6; let one begin there (from) or end later (until)",
    ],
    [{ windows: 16 }, "windows: 16 will not do; expected a list"],
    [{ data: { train: [] } }, "data.train: [] will not do; expected a list of at least 1"],
    [{ data: "corpus.txt" }, 'data: "corpus.txt" will not do; expected a section'],
    [{ schedule: { decay: "step" } }, 'schedule.decay: "step" will not do; expected "linear" or "cosine" or "none"'],
    [{ schedule: { steps: undefined } }, "schedule.steps: missing; expected a number"],
    [{ batch: { tokens: 40 } }, "batch.tokens: 40 must be a multiple of the window length 16"],
    [{ network: { heads: 3 } }, "network.hidden: 16 must be a multiple of twice network.heads (3)"],
    [{ seed: -1 }, "seed: -1 will not do; expected at least 0"],
    [{ network: { layers: 5000 } }, "network.layers: 5000 will not do; expected at most 4096"],
    [{ windows: [{ length: 2 ** 21 }], batch: { tokens: 2 ** 21 } }, "windows.0.length: 2097152 will not do; expected at most 1048576"],
    [{ tokenizer: { kind: "bpe" } }, "tokenizer.size: none given, but byte-level BPE needs one, an integer from 256 to 1048576"],
    [
      { tokenizer: { kind: "bpe", size: 256, special: ["<|endoftext|>"] } },
      "tokenizer.size: 256 is no vocabulary size; byte-level BPE needs one, an integer from 257 to 1048576",
    ],
    [
      { data: { separator: "***" } },
      'data.separator: "***" needs a token to stand in its place; give tokenizer.special: ["<|endoftext|>"]',
    ],
    [
      { objective: { noise: { kind: "geometric", sigmaMax: 800 } } },
      "objective.noise: geometric: needs 0 < sigmaMin < sigmaMax, at most 700, got sigmaMin 0.00001 and sigmaMax 800",
    ],
  ])("%j", (changes, message) => expect(messageOf(plain(changes))).toBe(`r.yaml: ${message}`));

  test("what is no recipe at all", () => {
    expect(messageOf(null)).toBe("r.yaml: the recipe: null will not do; expected a section");
    expect(messageOf([1])).toBe("r.yaml: the recipe: [1] will not do; expected a section");
    expect(messageOf({})).toMatch(/name: missing; expected a text; data: missing; /);
  });

  test("anything else is a UserError of one line too", () => {
    const keys = ["data", "tokenizer", "objective", "network", "windows", "batch", "optimizer", "schedule", "ema", "threads"];
    fc.assert(
      fc.property(fc.constantFrom(...keys), fc.jsonValue(), (key, value) => {
        expect(messageOf({ ...plain(), [key]: value })).not.toMatch(/\n/);
      }),
      { seed: 1, numRuns: 200 },
    );
  });
});

test("the longest window is the model's length, so that a step must take it", () => {
  const windows = [{ length: 8 }, { length: 16, from: 9 }];
  const check = (steps: number) => () => checkLongest(checkRecipe(plain({ windows, schedule: { steps } }), "r"), "r");
  expect(check(9)).not.toThrow();
  expect(check(8)).toThrow(
    "r: windows.1.from: 9 is beyond schedule.steps (8), so that no step takes the longest window, whose length the model has; leave it out, or give more steps",
  );
});

describe("readRecipe", () => {
  const written = (content: string = JSON.stringify(plain())): string => {
    const path = join(temporaryFolder(), "r.yaml");
    writeFileSync(path, content);
    return path;
  };

  test("--set replaces, adds and reaches into lists; the value is YAML", async () => {
    const recipe = await readRecipe(written(), [
      "schedule.steps=7",
      "windows.0.length=8",
      "windows.1={length: 16, weight: 2}",
      "optimizer.learningRate=1e-3",
      "objective.noise={kind: geometric}",
      "objective.noise.sigmaMax=10",
      "name=a=b",
      'data.separator="\\n\\n"',
      'tokenizer.special=["<|endoftext|>"]',
    ]);
    expect(recipe.schedule.steps).toBe(7);
    expect(recipe.windows).toEqual([
      { length: 8, weight: 1 },
      { length: 16, weight: 2 },
    ]);
    expect(recipe.optimizer.learningRate).toBe(1e-3);
    expect(recipe.objective).toMatchObject({ noise: { kind: "geometric", sigmaMin: 1e-5, sigmaMax: 10 } });
    expect(recipe.name).toBe("a=b");
    expect(recipe.data.separator).toBe("\n\n");
  });

  test.each([
    ["schedule", /^--set schedule: expected key=value, for example/],
    ["=2", /^--set =2: expected key=value/],
    ["a..b=1", /^--set a\.\.b=1: expected key=value/],
    ["name=[1", /^--set name=\[1: not YAML/],
    ["windows.x.length=8", /^--set windows\.x\.length=8: "x" is no item of a list of 1; give 0 to 1/],
    ["windows.2.length=8", /"2" is no item of a list of 1/],
    ["schedule.stepz=1", /r\.yaml: schedule\.stepz: unknown key; known here: steps, warmup, decay, decayFrom/],
    ["name.x=1", /r\.yaml: name: \{"x":1\} will not do; expected a text/],
    ["__proto__.polluted=1", /r\.yaml: __proto__: unknown key/],
    ["constructor.prototype.polluted=1", /r\.yaml: constructor: unknown key/],
  ])("--set %s", async (override, message) => {
    const error: unknown = await readRecipe(written(), [override]).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(message);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });

  test.each([
    ["nothing", "", /the recipe: null will not do/],
    ["no YAML", "a: b: c", /r\.yaml: not YAML \(Nested mappings are not allowed/],
    ["a key twice", "name: a\nname: b", /r\.yaml: not YAML \(Map keys must be unique/],
    ["a list", "- 1", /the recipe: \[1\] will not do/],
  ])("a file of %s", async (_, content, message) => {
    await expect(readRecipe(written(content))).rejects.toThrow(message);
  });

  test("no such file", async () => {
    await expect(readRecipe("/nowhere/r.yaml")).rejects.toThrow(/cannot read \/nowhere\/r\.yaml: there is no such file/);
  });
});

test("docs/recipes.md has every key of a recipe, and its default", () => {
  const raw = plain();
  const { optimizer: _optimizer, ...minimal } = raw;
  const recipe = checkRecipe(minimal, "r.yaml");
  const documented = readFileSync("docs/recipes.md", "utf8");
  const missing: string[] = [];
  const visit = (value: unknown, path: string): void => {
    if (
      path === "objective.noise" ||
      path === "windows" ||
      path === "tokenizer" ||
      typeof value !== "object" ||
      value === null ||
      Array.isArray(value)
    ) {
      const row = documented.split("\n").find((line) => line.startsWith("|") && line.includes(`\`${path}\``));
      const given = path.split(".").reduce<unknown>((at, key) => (at as Record<string, unknown> | undefined)?.[key], minimal) !== undefined;
      if (!row) missing.push(path);
      else if (!given && typeof value !== "object" && !defaultsOf(row).includes(String(value)))
        missing.push(`${path}: default ${String(value)}`);
      return;
    }
    for (const [key, inner] of Object.entries(value)) visit(inner, path === "" ? key : `${path}.${key}`);
  };
  visit(recipe, "");
  expect(missing).toEqual([]);
});

/** The second cell of a table's row, as the values in it. */
const defaultsOf = (row: string): string[] =>
  row
    .split(/(?<!\\)\|/)[2]!
    .split(",")
    .map((value) => value.replaceAll("`", "").trim())
    .map((value) => (Number.isNaN(Number(value)) ? value : String(Number(value))));
