/** BERT against the transformers library: logits, loss and gradients; and what padding and token types do. */
import { beforeAll, describe, expect, test } from "vitest";
import { readBertConfig } from "../../src/formats/transformers-config.ts";
import { bertHead, bertParameters, bertTrunk } from "../../src/network/bert.ts";
import { Layout } from "../../src/tensor/index.ts";
import { golden, goldenJson, relativeError } from "../support/fixtures.ts";
import { expectGolden, float, int, loadFixture, logitsOf, lossAndGradients, runOnce, toleranceOf, type Loaded } from "./logits.ts";

const io = golden("bert/io.safetensors");
const tokens = io.int32("input_ids") as Int32Array;
const [batch, length] = io.shape("input_ids") as [number, number];
const rows = Array.from({ length: batch }, (_, r) => tokens.slice(r * length, (r + 1) * length));
const config = readBertConfig(goldenJson("bert/config.json"), "bert/config.json");
const { vocabulary, hidden, layers } = config;
let loaded: Loaded;
beforeAll(async () => {
  loaded = await loadFixture("bert");
});

const expectSame = (actual: Float32Array, expected: Float32Array): void =>
  expect(relativeError(actual, expected, "last", vocabulary)).toBeLessThanOrEqual(toleranceOf("bert", "logits").tolerance);

test("parameters have the names and shapes of the transformers library", () => {
  const stored = golden("bert/model.safetensors");
  const names = loaded.network.parameters.map(({ name }) => name);
  expect([...names].sort()).toEqual([...stored.entries.keys()].sort());
  for (const { name, shape } of loaded.network.parameters) expect([name, ...shape]).toEqual([name, ...stored.shape(name)]);
});

test("the sizes that were published as BERT base have the 109,514,298 parameters of its masked language model", () => {
  const sizes = {
    vocabulary: 30522,
    positions: 512,
    hidden: 768,
    inner: 3072,
    layers: 12,
    heads: 12,
    normEps: 1e-12,
    types: 2,
    padding: 0,
  };
  expect(new Layout(bertParameters(sizes)).size).toBe(109_514_298);
});

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  test("logits are the library's", async () => {
    const logits = await logitsOf(loaded, device, rows);
    expectGolden("bert", "logits", logits);
    expectGolden("bert", "logits", logits, { truth: "logits_f64" });
  });

  test("so are the loss at the labelled positions and its gradient for every parameter", async () => {
    const results = await lossAndGradients(loaded, device, tokens, length, io.int32("labels") as Int32Array);
    expectGolden("bert", "loss", results["loss"]!);
    expect(loaded.network.parameters).toHaveLength(42);
    const largest = (values: Float32Array): number => values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
    for (const { name } of loaded.network.parameters) {
      const ours = results[`grad/${name}`]!;
      // A key's bias adds the same to every score of a softmax: its gradient is zero, and what is computed is rounding.
      if (name.endsWith("key.bias")) expect(largest(ours)).toBeLessThan(1e-5 * largest(results[`grad/${name.replace("bias", "weight")}`]!));
      else expectGolden("bert", `grad/${name}`, ours, { entry: "grad/*" });
    }
  });

  test("a text before hidden padding has the logits of the text alone", async () => {
    for (const n of [1, 2, 13]) {
      const text = rows[0]!.slice(0, n);
      const padded = new Int32Array(n + 3).fill(7);
      padded.set(text);
      const mask = new Float32Array(n + 3).fill(-1e9, n);
      const logits = await logitsOf(loaded, device, [padded], mask);
      expectSame(logits.subarray(0, n * vocabulary), await logitsOf(loaded, device, [text]));
    }
  });

  test("token types: with the table's rows swapped, type 1 is what type 0 was", async () => {
    const layout = new Layout(loaded.network.parameters);
    const swapped = loaded.parameters.slice();
    const table = layout.slice(swapped, "bert.embeddings.token_type_embeddings.weight");
    table.set([...table.subarray(hidden), ...table.subarray(0, hidden)]);
    const run = async (parameters: Float32Array, types: Int32Array): Promise<Float32Array> => {
      const inputs = { tokens: { ...int(batch, length), data: tokens }, types: { ...int(batch, length), data: types } };
      const { logits } = await runOnce({ ...loaded, parameters }, device, inputs, (p) => ({
        logits: bertHead(p, config, bertTrunk(p, config, { tokens: p["tokens"]!, types: p["types"]! })),
      }));
      return logits!;
    };
    const types = tokens.map((_, i) => Number(i % length > 7));
    const mixed = await run(loaded.parameters, types);
    expectSame(
      await run(
        swapped,
        types.map((type) => 1 - type),
      ),
      mixed,
    );
    expectSame(await run(loaded.parameters, new Int32Array(tokens.length)), await logitsOf(loaded, device, rows));
    expect(relativeError(mixed, await logitsOf(loaded, device, rows), "tensor")).toBeGreaterThan(1e-2);
  });
});

test("which parameters trunk and head read is said rightly, and the head works row by row", async () => {
  const { network } = loaded;
  const names = network.parameters.map(({ name }) => name);
  expect(names.filter((name) => network.inTrunk(name) && network.inHead(name))).toEqual(["bert.embeddings.word_embeddings.weight"]);
  expect(names.filter((name) => !network.inTrunk(name))).toEqual(names.filter((name) => name.startsWith("cls.")));
  const inputs = { tokens: { ...int(1, length), data: rows[1]! } };
  const { output } = await runOnce(loaded, "cpu", inputs, (p) => ({ output: network.trunk(p, { tokens: p["tokens"]! }) }));
  const three = { ...float(3, hidden), data: output!.slice(4 * hidden, 7 * hidden) };
  const { logits } = await runOnce(loaded, "cpu", { rows: three }, (p) => ({ logits: network.head(p, p["rows"]!) }));
  expectSame(logits!, (await logitsOf(loaded, "cpu", [rows[1]!])).subarray(4 * vocabulary, 7 * vocabulary));
});

test("Muon gets the matrices of the blocks", () => {
  const names = loaded.network.parameters.map(({ name }) => name).filter((name) => loaded.network.isHiddenMatrix(name));
  expect(names).toHaveLength(6 * layers);
  for (const name of names) expect(name).toMatch(/^bert\.encoder\.layer\.\d\..*(query|key|value|dense)\.weight$/);
});

test("a text that is longer than the positions is refused with both numbers", async () => {
  await expect(logitsOf(loaded, "cpu", [new Int32Array(33)])).rejects.toThrow(
    "a text of 33 tokens: the network has 32 positions; shorten the text",
  );
});
