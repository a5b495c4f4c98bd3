/** A training run's folder: what a run writes, what stops it, and what a stopped run leaves. */
import { machine } from "#platform";
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadTokenizer } from "../../src/text/tokenizer.ts";
import { readModel, saveModel } from "../../src/model.ts";
import { seddObjective } from "../../src/objectives/sedd.ts";
import { readCheckpoint, readProgress } from "../../src/training/checkpoint.ts";
import { configOf, train, type Metric } from "../../src/training/train.ts";
import {
  bits,
  expectUserError,
  failure,
  metricsOf,
  parametersOf,
  setting,
  temporaryFolder,
  timeless,
  tinyRecipe,
  withSteps,
  writeCorpus,
} from "./support.ts";

test("a run writes steps, validation, samples, and a folder that loads: average by default, raw weights on request", async () => {
  const { out, recipe } = setting({ schedule: { steps: 4 }, validation: { every: 2 }, samples: { every: 4, count: 2 } });
  const seen: Metric[] = [];
  const saved: number[] = [];
  expect(await train({ recipe, out, onMetric: (m) => seen.push(m), onCheckpoint: (step) => saved.push(step) })).toEqual({
    step: 4,
    interrupted: false,
  });
  expect(metricsOf(out)).toEqual(seen);
  expect(seen[0]).toEqual({ kind: "machine", step: 0, machine: machine(), threads: recipe.threads });
  expect(seen.map(({ kind, step }) => `${kind} ${step}`)).toEqual([
    "machine 0",
    "step 1",
    "step 2",
    "validation 2",
    "step 3",
    "step 4",
    "validation 4",
    "sample 4",
    "sample 4",
  ]);
  expect(saved).toEqual([4]);
  expect(readdirSync(out).sort()).toEqual(
    ["checkpoint.safetensors", "config.json", "metrics.jsonl", "recipe.yaml", "tokenizer.json", "train.tokens", "valid.tokens"].sort(),
  );
  const [ema, raw] = [await readModel(out), await readModel(out, "raw")];
  expect(ema.tokenizer?.kind).toBe("character");
  expect(ema.config.length).toBe(16);
  expect(bits(ema.parameters)).not.toEqual(bits(raw.parameters));
  const { state } = await readCheckpoint(out, raw.parameters.length);
  expect(bits(state.parameters)).toEqual(bits(raw.parameters));
  expect(bits(state.ema)).toEqual(bits(ema.parameters));
});

test("a step is saved before it is looked at: what goes wrong there loses none", async () => {
  const { out, recipe } = setting({ schedule: { steps: 4 }, validation: { every: 2 }, checkpoint: { every: 2 } });
  const fail = (metric: Metric): void => {
    if (metric.kind === "validation") throw new Error("killed");
  };
  await expect(train({ recipe, out, onMetric: fail })).rejects.toThrow("killed");
  expect((await readProgress(out)).step).toBe(2);
  expect(await train({ recipe, out, resume: true })).toEqual({ step: 4, interrupted: false });
});

test("a validation that is infinite is said and not recorded", async () => {
  const { out, recipe } = setting({
    objective: { graph: "uniform", noise: { kind: "geometric", sigmaMin: 0.5, sigmaMax: 9 } },
    schedule: { steps: 1, warmup: 0, decay: "none" },
    optimizer: { kind: "adamw", learningRate: 8, clip: 0 },
    ema: 0,
  });
  const said: string[] = [];
  // A learning rate that spoils the weights in one step: scores beyond what the final denoise can be made of.
  expect(await train({ recipe, out, onNotice: (line) => said.push(line) })).toEqual({ step: 1, interrupted: false });
  expect(said).toEqual(["step 1: the validation bound is Infinity nats a token, and not recorded"]);
  expect(metricsOf(out).map(({ kind }) => kind)).toEqual(["machine", "step", "sample"]);
});

test("tokens and seconds go on over a resumption", async () => {
  const { out, recipe } = setting({ schedule: { steps: 3, decay: "none" }, batch: { accumulate: 2 } });
  await train({ recipe, out });
  await train({ recipe: withSteps(recipe, 6), out, resume: true });
  const steps = metricsOf(out).filter((metric) => metric.kind === "step");
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
  expect(steps.map(({ tokens }) => tokens)).toEqual([1, 2, 3, 4, 5, 6].map((step) => step * 128));
  for (let i = 1; i < 6; i++) expect(steps[i]!.seconds).toBeGreaterThan(steps[i - 1]!.seconds);
  const { size } = seddObjective(configOf(recipe, (await loadTokenizer(join(out, "tokenizer.json"))).size)).layout;
  expect((await readCheckpoint(out, size)).seconds).toBeGreaterThanOrEqual(steps[5]!.seconds);
});

test("windows take part from their first step until their last, with passes of their own size, over a resumption too", async () => {
  const windows = [
    { length: 8, tokens: 32, until: 3 },
    { length: 16, from: 3 },
    { length: 4, from: 5, until: 5, weight: 1e9 },
  ];
  const { out, recipe } = setting({ windows, schedule: { steps: 4, decay: "none" } });
  await train({ recipe, out });
  await train({ recipe: withSteps(recipe, 6), out, resume: true });
  const steps = metricsOf(out).filter((metric) => metric.kind === "step");
  const lengths = steps.map(({ length }) => length);
  expect([8, 16]).toContain(lengths[2]);
  expect(lengths).toEqual([8, 8, lengths[2], 16, 4, 16]);
  expect(steps.map(({ tokens }, i) => tokens - (steps[i - 1]?.tokens ?? 0))).toEqual(lengths.map((length) => (length === 8 ? 32 : 64)));
});

test("a run that is resumed at or beyond its last step does nothing and says so", async () => {
  const { out, recipe } = setting();
  await train({ recipe, out });
  const contents = () => readdirSync(out).map((name) => [name, readFileSync(join(out, name))]);
  const before = contents();
  for (const steps of [4, 3]) {
    const notices: string[] = [];
    const shorter = withSteps(recipe, steps);
    const onMetric = () => expect.unreachable();
    expect(await train({ recipe: shorter, out, resume: true, onNotice: (message) => notices.push(message), onMetric })).toEqual({
      step: 4,
      interrupted: false,
    });
    expect(notices).toEqual([expect.stringMatching(new RegExp(`nothing to do: .* step 4 of ${steps}; raise schedule.steps`))]);
  }
  expect(contents()).toEqual(before);
});

test("a crash after a checkpoint: the resumed run drops later and half-written metrics and equals one that did not crash", async () => {
  const { folder, out, recipe } = setting({ schedule: { steps: 12 }, checkpoint: { every: 5 }, windows: [{ length: 16 }, { length: 8 }] });
  const straight = join(folder, "straight");
  await train({ recipe, out: straight });
  const crash = new Error("crash");
  const onMetric = (metric: Metric): void => {
    if (metric.step === 8) throw crash;
  };
  expect(await failure({ recipe, out, onMetric })).toBe(crash);
  // Cut inside the é of a sample's text.
  appendFileSync(
    join(out, "metrics.jsonl"),
    Buffer.concat([Buffer.from('{"kind":"sample","step":2,"seed":0,"text":"caf'), Buffer.from([0xc3])]),
  );
  expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toContain('"step":8');
  await train({ recipe, out, resume: true });
  expect(timeless(out)).toEqual(timeless(straight));
  expect(bits(await parametersOf(out))).toEqual(bits(await parametersOf(straight)));
});

test("metrics of a first attempt without a checkpoint are dropped by the next", async () => {
  const { out, recipe } = setting();
  const crash = new Error("crash");
  const onMetric = (metric: Metric): void => {
    if (metric.step === 2) throw crash;
  };
  expect(await failure({ recipe, out, onMetric })).toBe(crash);
  await train({ recipe, out });
  expect(
    metricsOf(out)
      .filter(({ kind }) => kind === "step")
      .map(({ step }) => step),
  ).toEqual([1, 2, 3, 4]);
});

test("a signal during a checkpoint, at any of its moments, leaves a checkpoint that loads", async () => {
  for (const turns of [0, 1, 2, 4]) {
    const { out, recipe } = setting({ checkpoint: { every: 2 }, validation: { every: 1000 }, schedule: { steps: 50 } });
    const controller = new AbortController();
    const abortAfter = (left: number): void => {
      if (left === 0) controller.abort();
      else setImmediate(() => abortAfter(left - 1));
    };
    const onMetric = (metric: Metric): void => {
      if (metric.step === 2) abortAfter(turns);
    };
    const { step, interrupted } = await train({ recipe, out, signal: controller.signal, onMetric });
    expect(interrupted).toBe(true);
    const parameters = await parametersOf(out);
    expect((await readCheckpoint(out, parameters.length)).step).toBe(step);
    expect(readdirSync(out).filter((name) => name.startsWith("."))).toEqual([]); // no lock, no draft
  }
});

test("a signal before the first step saves step 0; during validation or samples it is heard at once", async () => {
  const { folder, recipe } = setting({ validation: { every: 1, windows: 64 } });
  const controller = new AbortController();
  controller.abort();
  const early = join(folder, "early");
  const error = await failure({ recipe, out: early, signal: controller.signal });
  expect(error).toBe(controller.signal.reason); // texts were still being prepared: there is nothing to save
  const late = new AbortController();
  const onMetric = (metric: Metric): void => {
    if (metric.kind === "step") setImmediate(() => late.abort());
  };
  const out = join(folder, "late");
  expect(await train({ recipe, out, signal: late.signal, onMetric })).toEqual({ step: 1, interrupted: true });
  expect(metricsOf(out).map(({ kind }) => kind)).toEqual(["machine", "step"]);
});

test("a huge learning rate stops with the step and the last good checkpoint, which stays as it was", async () => {
  const { out, recipe } = setting({ schedule: { steps: 2, decay: "none" } });
  await train({ recipe, out });
  const before = readFileSync(join(out, "checkpoint.safetensors"));
  const wild = { ...withSteps(recipe, 9), optimizer: { ...recipe.optimizer, learningRate: 1e37 } };
  await expectUserError(
    { recipe: wild, out, resume: true },
    /^step [3-9]: .*checkpoint\.safetensors, is of step 2; lower optimizer\.learningRate and --resume$/,
  );
  expect(readFileSync(join(out, "checkpoint.safetensors"))).toEqual(before);
  await train({ recipe: withSteps(recipe, 9), out, resume: true }); // and it goes on from there
});

test("weights that overflow in the very step of a checkpoint are not saved", async () => {
  // Finite loss and gradient, then an update beyond float32.
  const { out, recipe } = setting({ optimizer: { learningRate: 1e39 }, schedule: { warmup: 0 }, checkpoint: { every: 1 } });
  await expectUserError({ recipe, out }, /^step 1: the weights are not finite; there is no checkpoint yet; lower optimizer\.learningRate/);
  expect(existsSync(join(out, "checkpoint.safetensors"))).toBe(false);
});

test("a poisoned parameter stops the first step", async () => {
  const { out, recipe, folder } = setting();
  await train({ recipe, out });
  const { parameters, tokenizer } = await readModel(out, "raw");
  parameters[5] = NaN;
  const from = { parameters, tokenizer: tokenizer!.toJSON() };
  await expectUserError({ recipe, out: join(folder, "b"), from }, /^step 1: the loss is NaN .*there is no checkpoint yet/);
});

test("two trainings in one folder, a checkpoint in the way, none to resume", async () => {
  const { folder, out, recipe } = setting();
  await expectUserError({ recipe, out, resume: true }, /no checkpoint\.safetensors to resume from; leave out --resume to begin/);
  expect(existsSync(out)).toBe(false);
  // Going on until the second has been refused.
  const stop = new AbortController();
  let first: Promise<unknown> | undefined;
  await new Promise<void>((begun) => {
    first = train({ recipe: withSteps(recipe, 100_000), out, signal: stop.signal, onMetric: () => begun() });
  });
  await expectUserError({ recipe, out }, /is in use by process \d+/);
  stop.abort();
  await first;
  await expectUserError({ recipe, out }, /^--out .*run: holds a checkpoint already; give --resume/);
  // The lock of a run is gone after an error too.
  await expectUserError(
    { recipe: tinyRecipe(writeCorpus(join(folder, "e"), { train: "" })), out: join(folder, "x") },
    /the corpus is empty/,
  );
  expect(readdirSync(join(folder, "x"))).not.toContain(".lock");
});

test("a model that is in the way is refused, and left as it is; a mistake writes no tokenizer", async () => {
  const { folder, out, recipe } = setting();
  await train({ recipe, out });
  const model = join(folder, "model");
  await saveModel(model, await readModel(out));
  const files = () => readdirSync(model).map((name) => [name, readFileSync(join(model, name))]);
  const before = files();
  await expectUserError({ recipe, out: model }, /^--out .*model: holds a model already \(model\.safetensors\); give another folder/);
  expect(files()).toEqual(before);
  const other = join(folder, "other");
  mkdirSync(other);
  writeFileSync(join(other, "config.json"), '{"port": 80}');
  await expectUserError({ recipe, out: other }, /^--out .*other: holds a config\.json that is no model's, and would be lost/);
  expect(readdirSync(other)).toEqual(["config.json"]);
  const own = join(folder, "own");
  mkdirSync(own);
  writeFileSync(join(own, "tokenizer.json"), "mine");
  const short = tinyRecipe(writeCorpus(join(folder, "short"), { train: "the king", valid: "the king" }));
  await expectUserError({ recipe: short, out: own }, /fewer than one window/);
  expect(readFileSync(join(own, "tokenizer.json"), "utf8")).toBe("mine");
});

test("a separator of blanks and line ends survives in the run's recipe", async () => {
  const { out, recipe } = setting({
    data: { separator: "\n \n" },
    tokenizer: { kind: "bpe", size: 257, special: ["<|endoftext|>"] },
    schedule: { steps: 1 },
  });
  await train({ recipe, out });
  expect(await train({ recipe: withSteps(recipe, 2), out, resume: true })).toEqual({ step: 2, interrupted: false });
});

test("a damaged checkpoint is refused by name, and left", async () => {
  const { out, recipe } = setting();
  await train({ recipe, out });
  const path = join(out, "checkpoint.safetensors");
  const whole = readFileSync(path);
  for (const damaged of [whole.subarray(0, whole.length / 2), Buffer.alloc(0), Buffer.from("not a checkpoint")]) {
    writeFileSync(path, damaged);
    await expectUserError({ recipe: withSteps(recipe, 8), out, resume: true }, /checkpoint\.safetensors/);
    expect(readFileSync(path)).toEqual(damaged);
    await expect(readModel(out)).rejects.toThrow(/checkpoint\.safetensors/);
  }
});

test("a full disk is a UserError, and the old checkpoint stays", async (context) => {
  const folder = temporaryFolder();
  const out = join(folder, "small");
  mkdirSync(out);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=400k", "tmpfs", out], { stdio: "ignore" });
  } catch {
    context.skip("no tmpfs can be mounted here");
  }
  onTestFinished(() => void execFileSync("umount", [out]));
  const recipe = tinyRecipe(writeCorpus(join(folder, "data")), { network: { hidden: 32 } });
  await train({ recipe, out }); // one checkpoint of some 300 kB fits, two do not
  const before = readFileSync(join(out, "checkpoint.safetensors"));
  const longer = withSteps(recipe, 8);
  await expectUserError({ recipe: longer, out, resume: true }, /^cannot write .*: the disk is full$/);
  expect(readFileSync(join(out, "checkpoint.safetensors"))).toEqual(before);
  expect(readdirSync(out).filter((name) => name.endsWith(".tmp"))).toEqual([]);
  expect((await readModel(out)).parameters).toHaveLength((await parametersOf(out)).length);
});
