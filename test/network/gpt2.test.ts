/** GPT-2 against the transformers library: logits, loss and gradients; and what padding, a cache and later tokens must not change. */
import { beforeAll, describe, expect, test } from "vitest";
import { readGpt2Config } from "../../src/formats/transformers-config.ts";
import { gpt2Head, gpt2Network, gpt2Parameters, gpt2Trunk, type KeysAndValues } from "../../src/network/gpt2.ts";
import { random } from "../../src/platform/random.ts";
import { Layout, type Data, type Device, type Spec } from "../../src/tensor/index.ts";
import { golden, goldenJson, relativeError } from "../support/fixtures.ts";
import { expectGolden, float, int, loadFixture, logitsOf, lossAndGradients, runOnce, toleranceOf, type Loaded } from "./logits.ts";

const io = golden("gpt2/io.safetensors");
const tokens = io.int32("input_ids") as Int32Array;
const [batch, length] = io.shape("input_ids") as [number, number];
const rows = Array.from({ length: batch }, (_, r) => tokens.slice(r * length, (r + 1) * length));
const config = readGpt2Config(goldenJson("gpt2/config.json"), "gpt2/config.json");
const { vocabulary, hidden, heads, layers } = config;
const HIDDEN = -1e9;
let loaded: Loaded;
beforeAll(async () => {
  loaded = await loadFixture("gpt2");
});

/** Rows of logits that were computed along other shapes: equal up to the golden tolerance of a whole forward pass. */
const expectSame = (actual: Float32Array, expected: Float32Array): void =>
  expect(relativeError(actual, expected, "last", vocabulary)).toBeLessThanOrEqual(toleranceOf("gpt2", "logits").tolerance);

test("parameters have the names and shapes of the transformers library", () => {
  const stored = golden("gpt2/model.safetensors");
  const names = loaded.network.parameters.map(({ name }) => name);
  expect([...names].sort()).toEqual([...stored.entries.keys()].sort());
  for (const { name, shape } of loaded.network.parameters) expect([name, ...shape]).toEqual([name, ...stored.shape(name)]);
});

test("the sizes that were published as GPT-2 small have its 124,439,808 parameters", () => {
  const small = { vocabulary: 50257, positions: 1024, hidden: 768, inner: 3072, layers: 12, heads: 12, normEps: 1e-5 };
  expect(new Layout(gpt2Parameters(small)).size).toBe(124_439_808);
});

test("a fresh network has GPT-2's initialisation", () => {
  const spread = (values: Float32Array): number => Math.sqrt(values.reduce((a, b) => a + b * b, 0) / values.length);
  for (const { name, shape, initialize } of gpt2Parameters({ ...config, hidden: 64, inner: 256 })) {
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    initialize(values, random(1));
    const expected = /ln_.*weight$/.test(name) ? 1 : name.endsWith("bias") ? 0 : name.includes("c_proj") ? 0.01 : 0.02;
    // 2,048 values and more: their spread has a standard error below 1.6 %.
    expect(Math.abs(spread(values) - expected), name).toBeLessThanOrEqual(0.08 * expected);
  }
});

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  test("logits are the library's", async () => {
    const logits = await logitsOf(loaded, device, rows);
    expectGolden("gpt2", "logits", logits);
    expectGolden("gpt2", "logits", logits, { truth: "logits_f64" });
  });

  test("so are the loss of the next token and its gradient for every parameter", async () => {
    const next = tokens.map((_, i) => ((i + 1) % length === 0 ? -1 : tokens[i + 1]!));
    const results = await lossAndGradients(loaded, device, tokens, length, next);
    expectGolden("gpt2", "loss", results["loss"]!);
    expect(loaded.network.parameters).toHaveLength(28);
    for (const { name } of loaded.network.parameters) expectGolden("gpt2", `grad/${name}`, results[`grad/${name}`]!, { entry: "grad/*" });
  });

  test("a token changes nothing before it", async () => {
    const logits = await logitsOf(loaded, device, rows);
    const other = await logitsOf(loaded, device, [
      ...rows.slice(0, 2),
      rows[2]!.map((token, i) => (i < 11 ? token : (token + 1) % vocabulary)),
    ]);
    const from = (2 * length + 11) * vocabulary;
    expect(other.subarray(0, from)).toEqual(logits.subarray(0, from));
    expect(other.subarray(from)).not.toEqual(logits.subarray(from));
  });

  test("a text of every length, behind padding or before it, has the logits of the text alone", async () => {
    for (const n of [1, 2, 13, length]) {
      const text = rows[0]!.slice(0, n);
      const alone = await logitsOf(loaded, device, [text]);
      const right = new Int32Array(n + 3).fill(7);
      right.set(text);
      const mask = new Float32Array(n + 3).fill(HIDDEN, n);
      expectSame((await logitsOf(loaded, device, [right], mask)).subarray(0, n * vocabulary), alone);
      const left = new Int32Array(n + 3).fill(7);
      left.set(text, 3);
      const { logits } = await runOnce(
        loaded,
        device,
        {
          tokens: { ...int(1, n + 3), data: left },
          mask: { ...float(1, 1, 1, n + 3), data: new Float32Array(n + 3).fill(HIDDEN, 0, 3) },
          positions: { ...int(1, n + 3), data: Int32Array.from({ length: n + 3 }, (_, i) => Math.max(0, i - 3)) },
        },
        (p) => {
          const { output } = gpt2Trunk(p, config, { tokens: p["tokens"]!, mask: p["mask"]!, positions: p["positions"]! });
          return { logits: gpt2Head(p, output) };
        },
      );
      expectSame(logits!.subarray(3 * vocabulary), alone);
    }
  });

  test("tokens fed one by one or in pieces, with cached keys and values, have the logits of the whole text", async () => {
    const whole = await logitsOf(loaded, device, rows);
    for (const pieces of [[7, 1, 1, 5, 6], Array.from({ length }, () => 1)]) {
      for (const spare of [0, 4]) expectSame(await fedInPieces(device, pieces, spare), whole);
    }
  });
});

/** Logits of the fixture's texts fed in pieces; the cache has `spare` slots more than are filled, with garbage that the mask hides. */
async function fedInPieces(device: Device, pieces: readonly number[], spare: number): Promise<Float32Array> {
  const width = hidden / heads;
  /** By block: keys, then values, [batch·heads] lists of rows. */
  const cache = Array.from({ length: 2 * layers }, () => Array.from({ length: batch * heads }, (): number[] => []));
  const logits = new Float32Array(batch * length * vocabulary);
  let start = 0;
  for (const n of pieces) {
    const slots = start > 0 ? start + spare : 0;
    const inputs: Record<string, Spec & { data: Data }> = {
      tokens: { ...int(batch, n), data: Int32Array.from(rows.flatMap((row) => [...row.slice(start, start + n)])) },
    };
    if (slots > 0) {
      cache.forEach((lists, i) => {
        const data = Float32Array.from(lists.flatMap((list) => [...list, ...Array.from({ length: spare * width }, () => 3)]));
        inputs[`past${i}`] = { ...float(batch, heads, slots, width), data };
      });
      const mask = Array.from({ length: slots + n }, (_, i) => (i >= start && i < slots ? HIDDEN : 0));
      inputs["mask"] = { ...float(batch, 1, 1, slots + n), data: Float32Array.from(Array.from({ length: batch }, () => mask).flat()) };
      if (spare > 0) {
        const positions = Array.from({ length: batch * n }, (_, i) => start + (i % n));
        inputs["positions"] = { ...int(batch, n), data: Int32Array.from(positions) };
      }
    }
    const results = await runOnce(loaded, device, inputs, (p) => {
      const past = Array.from({ length: layers }, (_, i): KeysAndValues => ({ keys: p[`past${2 * i}`]!, values: p[`past${2 * i + 1}`]! }));
      const { output, present } = gpt2Trunk(p, config, {
        tokens: p["tokens"]!,
        ...(slots > 0 ? { past, mask: p["mask"]! } : {}),
        ...(inputs["positions"] ? { positions: p["positions"]! } : {}),
      });
      const parts = present.flatMap(({ keys, values }) => [keys, values]);
      return { logits: gpt2Head(p, output), ...Object.fromEntries(parts.map((part, i) => [`present${i}`, part])) };
    });
    cache.forEach((lists, i) => {
      const present = results[`present${i}`]!;
      lists.forEach((list, j) => list.push(...present.subarray(j * n * width, (j + 1) * n * width)));
    });
    for (let r = 0; r < batch; r++) {
      const own = results["logits"]!.subarray(r * n * vocabulary, (r + 1) * n * vocabulary);
      logits.set(own, (r * length + start) * vocabulary);
    }
    start += n;
  }
  return logits;
}

test("which parameters trunk and head read is said rightly, and the head works row by row", async () => {
  const network = gpt2Network(config);
  expect(network.parameters.filter(({ name }) => network.inHead(name)).map(({ name }) => name)).toEqual(["transformer.wte.weight"]);
  const inputs = { tokens: { ...int(1, length), data: rows[1]! } };
  const { output } = await runOnce(loaded, "cpu", inputs, (p) => ({ output: network.trunk(p, { tokens: p["tokens"]! }) }));
  const three = output!.slice(4 * hidden, 7 * hidden);
  const { logits } = await runOnce(loaded, "cpu", { rows: { ...float(3, hidden), data: three } }, (p) => ({
    logits: network.head(p, p["rows"]!),
  }));
  expectSame(logits!, (await logitsOf(loaded, "cpu", [rows[1]!])).subarray(4 * vocabulary, 7 * vocabulary));
});

test("Muon gets the matrices of the blocks", () => {
  const names = loaded.network.parameters.map(({ name }) => name).filter((name) => loaded.network.isHiddenMatrix(name));
  expect(names).toHaveLength(4 * layers);
  for (const name of names) expect(name).toMatch(/^transformer\.h\.\d\.(attn\.c_attn|attn\.c_proj|mlp\.c_fc|mlp\.c_proj)\.weight$/);
});

test("a text that is longer than the positions is refused with both numbers", async () => {
  await expect(logitsOf(loaded, "cpu", [new Int32Array(33)])).rejects.toThrow(
    "a text of 33 tokens: the network has 32 positions; shorten the text",
  );
});
