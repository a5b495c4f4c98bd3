/** SEDD's config.json: the official code's is read, ours comes back unchanged, a wrong one is an error that names the key. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { readSeddConfig, writeSeddConfig, type ModelConfig } from "../../src/objectives/sedd-config.ts";
import { goldenJson } from "../support/fixtures.ts";

const official = goldenJson<Record<string, Record<string, unknown>>>("sedd-absorb/config.json");

test("the official configuration", () => {
  expect(readSeddConfig(official, "config.json")).toEqual({
    length: 24,
    sedd: {
      network: { states: 51, hidden: 64, layers: 2, heads: 4, conditioning: 32, dropout: 0.1 },
      // The official log-linear schedule has eps = 1e-3 and ignores the file's sigma_min and sigma_max.
      graph: "absorb",
      noise: { kind: "loglinear", eps: 1e-3 },
      parameterization: "score",
      scaleBySigma: true,
    },
  });
});

test("the official configuration of a uniform graph: V states, no σ-scaling", () => {
  expect(readSeddConfig(goldenJson("sedd-uniform/config.json"), "config.json").sedd).toEqual({
    network: { states: 50, hidden: 64, layers: 2, heads: 4, conditioning: 32, dropout: 0.1 },
    graph: "uniform",
    noise: { kind: "geometric", sigmaMin: 1e-5, sigmaMax: 20 },
    parameterization: "score",
    scaleBySigma: false,
  });
});

test("what is written reads back the same, through JSON", () => {
  const size = fc.integer({ min: 1, max: 6 });
  const noises = fc.oneof(
    fc.record({ kind: fc.constant("loglinear" as const), eps: fc.double({ min: 1e-5, max: 0.5, noNaN: true }) }),
    fc.record({
      kind: fc.constant("geometric" as const),
      sigmaMin: fc.double({ min: 1e-6, max: 0.1, noNaN: true }),
      sigmaMax: fc.double({ min: 1, max: 30, noNaN: true }),
    }),
  );
  const configs: fc.Arbitrary<ModelConfig> = fc
    .tuple(
      size,
      size,
      size,
      size,
      size,
      size,
      fc.double({ min: 0, max: 0.9, noNaN: true }),
      noises,
      fc.oneof(
        fc.record({
          graph: fc.constant("absorb" as const),
          parameterization: fc.constantFrom("score" as const, "normalized" as const),
          scaleBySigma: fc.boolean(),
        }),
        fc.constant({ graph: "uniform", parameterization: "score", scaleBySigma: false } as const),
      ),
    )
    .map(([tokens, heads, pairs, layers, conditioning, length, dropout, noise, rest]) => ({
      length,
      sedd: {
        network: { states: tokens + Number(rest.graph === "absorb"), hidden: 2 * heads * pairs, layers, heads, conditioning, dropout },
        noise,
        ...rest,
      },
    }));
  fc.assert(
    fc.property(configs, (config) => {
      expect(readSeddConfig(JSON.parse(JSON.stringify(writeSeddConfig(config))), "config.json")).toEqual(config);
    }),
  );
});

describe("a wrong configuration is the user's error, with the file and the key", () => {
  const change = (...path: [...string[], unknown]): unknown => {
    const copy = structuredClone(official) as Record<string, unknown>;
    const [value, key] = [path.at(-1), path.at(-2) as string];
    const at = path.slice(0, -2).reduce((object: Record<string, unknown>, name) => object[name as string] as Record<string, unknown>, copy);
    if (value === undefined) delete at[key];
    else at[key] = value;
    return copy;
  };
  test.each([
    ["tokens", change("tokens", 0)],
    ["tokens", change("tokens", undefined)],
    ["graph.type", change("graph", "type", "none")],
    ["noise.type", change("noise", "type", "cosine")],
    ["model.hidden_size", change("model", "hidden_size", 64.5)],
    ["model.hidden_size", change("model", "hidden_size", 60)],
    ["model.n_blocks", change("model", "n_blocks", 40_000_000)],
    ["model.length", change("model", "length", 1e12)],
    ["model.dropout", change("model", "dropout", 1)],
    ["model.scale_by_sigma", change("model", "scale_by_sigma", undefined)],
    ["parameterization", change("parameterization", "logits")],
  ])("%s", (key, config) => {
    const read = (): unknown => readSeddConfig(config, "folder/config.json");
    expect(read).toThrow(UserError);
    expect(read).toThrow(`folder/config.json: ${key}: `);
  });

  test("what the uniform graph does not have", () => {
    const uniform = (key: "parameterization" | "scale_by_sigma", value: unknown): unknown => {
      const copy = structuredClone(goldenJson<{ model: object }>("sedd-uniform/config.json"));
      return key === "parameterization" ? { ...copy, [key]: value } : { ...copy, model: { ...copy.model, [key]: value } };
    };
    const read = (config: unknown) => (): unknown => readSeddConfig(config, "c.json");
    expect(read(uniform("parameterization", "score"))).not.toThrow();
    expect(read(uniform("parameterization", "normalized"))).toThrow(
      'c.json: parameterization: "normalized" needs the sum of the scores, known for graph "absorb" alone; give "score"',
    );
    expect(read(uniform("scale_by_sigma", true))).toThrow(
      /^c\.json: model\.scale_by_sigma: true is for graph "absorb" alone, .*; give false$/,
    );
  });

  test("an objective that does not go with the rest", () => {
    const plain = {
      ...structuredClone(official),
      objective: "ar",
      parameterization: "normalized",
      model: { ...official["model"], cond_dim: 0 },
    };
    const read = (changes: object) => (): unknown => readSeddConfig({ ...plain, ...changes }, "c.json");
    expect(read({})()).toMatchObject({ sedd: { objective: "ar", network: { causal: true, conditioning: 0 } } });
    expect(writeSeddConfig(readSeddConfig(plain, "c.json"))).toMatchObject({ objective: "ar", model: { cond_dim: 0 } });
    expect(readSeddConfig({ ...official, loss: "l2" }, "c.json").sedd.loss).toBe("l2");
    expect(read({ objective: "gpt" })).toThrow("c.json: objective: ");
    expect(read({ objective: "mlm", parameterization: "score" })).toThrow(
      'c.json: parameterization: objective "mlm" is read as a score with',
    );
    expect(read({ objective: "sedd" })).toThrow('c.json: model.cond_dim: 0 will not do for objective "sedd"');
    expect(read({ model: official["model"] })).toThrow('c.json: model.cond_dim: 32 will not do for objective "ar"');
  });

  test("no object at all", () => {
    for (const config of [null, 3, "x", []]) expect(() => readSeddConfig(config, "config.json")).toThrow(UserError);
  });
});
