/** Both graphs under both noises through training, checkpoint and loading; and the uniform graph's shipped recipe through every command. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { load, readModel } from "../../src/model.ts";
import { train } from "../../src/training/train.ts";
import { cli } from "../cli/support.ts";
import { bits, expectUserError, metricsOf, parametersOf, setting, tinyRecipe, withSteps } from "./support.ts";

const geometric = { kind: "geometric", sigmaMin: 1e-5, sigmaMax: 20 };
const loglinear = { kind: "loglinear" };
const graphs: [string, Record<string, unknown>][] = [
  ["uniform, log-linear", { graph: "uniform", noise: loglinear }],
  ["uniform, geometric", { graph: "uniform", noise: geometric }],
  ["absorb normalized, geometric", { noise: geometric }],
  ["absorb score, geometric", { noise: geometric, parameterization: "score" }],
];

describe.each(graphs)("%s", (_, objective) => {
  test("trains: losses and weights are finite, the bound falls; the folder loads, samples, fills holes and evaluates", async () => {
    const { out, recipe, corpus } = setting({
      objective,
      schedule: { steps: 60, warmup: 5 },
      optimizer: { learningRate: 1e-2 },
      ema: 0.9,
      batch: { tokens: 128 },
      validation: { every: 100, windows: 256 },
    });
    await train({ recipe, out });
    const metrics = metricsOf(out);
    for (const metric of metrics) {
      if (metric.kind === "step") expect(Number.isFinite(metric.loss) && metric.gradientNorm > 0).toBe(true);
    }
    const model = await load(out, { threads: 1 });
    const { sedd } = model.config;
    const { graph } = recipe.objective as { graph: string };
    expect({ graph: sedd.graph, states: sedd.network.states }).toEqual({
      graph,
      states: model.tokenizer.size + Number(graph === "absorb"),
    });
    const [sample] = await model.sample({ seed: 1, steps: 8 });
    expect(sample!.tokens.every((token) => token < model.tokenizer.size)).toBe(true);
    // What is given is clamped at every step, on this graph too.
    const filled = await model.infill("the king [[5]] met [[ ]]", { seed: 2, steps: 8, count: 3, length: 24 });
    for (const { text } of filled) expect(text).toMatch(/^the king .{5} met /s);
    // The same text as the run's own validation: within 4.5 of their errors, and 0.1 for its overlapping windows, which weigh the text's ends less.
    // Below what an untrained network knows, log V: frequencies of letters alone are worth 0.3.
    const bound = await model.likelihood(readFileSync(corpus.valid, "utf8"), { samples: 32 });
    const last = metrics.findLast(({ kind }) => kind === "validation") as { natsPerToken: number; standardError: number };
    expect(Math.abs(bound.natsPerToken - last.natsPerToken)).toBeLessThan(4.5 * Math.hypot(bound.standardError, last.standardError) + 0.1);
    expect(bound.natsPerToken).toBeLessThan(Math.log(model.tokenizer.size) - 0.1);
    expect(bound.protocol.graph).toBe(sedd.graph);
    await model.dispose();
  });
});

test("resuming a uniform run is exact; another graph is refused, on --from too", async () => {
  const { folder, out, recipe, corpus } = setting({ objective: { graph: "uniform" }, schedule: { decay: "none" } });
  await train({ recipe: withSteps(recipe, 6), out: join(folder, "whole") });
  await train({ recipe: withSteps(recipe, 3), out });
  await train({ recipe: withSteps(recipe, 6), out, resume: true });
  const whole = await parametersOf(join(folder, "whole"));
  expect(bits(await parametersOf(out))).toEqual(bits(whole));
  const { parameters, config } = await readModel(out);
  expect(config.sedd.graph).toBe("uniform");
  const absorb = tinyRecipe(corpus);
  await expectUserError({ recipe: absorb, out, resume: true }, /^objective\.graph: "absorb", but .* "uniform";/);
  await expectUserError(
    { recipe: absorb, out: join(folder, "other"), from: { parameters, config: config.sedd } },
    /^--from: the model's graph is "uniform", the recipe's "absorb"; make graph, network and tokenizer agree/,
  );
  expect(bits(await parametersOf(out))).toEqual(bits(whole));
});

test("recipes/tiny-uniform.yaml, a few steps of it: sedd train, sample, infill, eval", async () => {
  const { folder, corpus } = setting();
  const out = join(folder, "cli");
  const text = join(folder, "text.txt");
  writeFileSync(text, readFileSync(corpus.valid, "utf8").slice(0, 200));
  const less = ["schedule.steps=3", "schedule.warmup=1", "validation.windows=16", "samples.steps=4", "threads=1"];
  const data = [`data.train=[${JSON.stringify(corpus.train)}]`, `data.valid=[${JSON.stringify(corpus.valid)}]`];
  const trained = await cli(["train", "recipes/tiny-uniform.yaml", "--out", out, "--set", ...less, ...data]);
  expect(trained).toMatchObject({ code: 0, stderr: expect.stringContaining("step 3 of 3 done") });
  const at = ["--model", out, "--threads", "1"];
  const sampled = await cli(["sample", ...at, "--steps", "4", "--length", "20", "--json"]);
  expect(JSON.parse(sampled.stdout).tokens).toHaveLength(20);
  const filled = await cli(["infill", "the [[6]] met", ...at, "--steps", "4", "--json"]);
  expect(JSON.parse(filled.stdout).text).toMatch(/^the .{6} met$/s);
  const evaluated = await cli(["eval", ...at, "--data", text, "--samples", "2", "--json"]);
  const { natsPerToken, protocol } = JSON.parse(evaluated.stdout);
  expect(natsPerToken).toBeGreaterThan(0);
  expect(protocol).toMatchObject({ graph: "uniform", parameterization: "score" });
  expect(Object.keys(protocol.terms)).toEqual(["integral", "prior"]);
});
