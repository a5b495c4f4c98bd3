/** The trunk without conditioning, and with a causal mask. */
import { describe, expect, test } from "vitest";
import { dditHead, dditParameters, dditTrunk, initializeDDiT, type DDiTConfig } from "../../src/network/ddit.ts";
import { random } from "../../src/platform/random.ts";
import { compile, Layout, trace, type Spec, type Tensor } from "../../src/tensor/index.ts";

const plain: DDiTConfig = { states: 7, hidden: 16, layers: 2, heads: 2, conditioning: 0, dropout: 0 };
const causal: DDiTConfig = { ...plain, causal: true };

/** The stages and logits of one text. */
async function forward(config: DDiTConfig, parameters: Float32Array, tokens: Int32Array): Promise<Record<string, Float32Array>> {
  const specs: Record<string, Spec> = Object.fromEntries(
    dditParameters(config).map(({ name, shape }) => [name, { dtype: "float32", shape }]),
  );
  const program = trace({ ...specs, tokens: { dtype: "int32", shape: [1, tokens.length] } }, (given: Record<string, Tensor>) => {
    const { output, stages } = dditTrunk(given, config, { tokens: given["tokens"]! });
    return { logits: dditHead(given, output), ...Object.fromEntries(stages.map((stage, i) => [`stage${i}`, stage])) };
  });
  const executable = await compile(program, {});
  const results = await executable.run({ ...new Layout(dditParameters(config)).slices(parameters), tokens });
  await executable.dispose();
  return results as Record<string, Float32Array>;
}

const shaken = (config: DDiTConfig): Float32Array => {
  const draw = random(2);
  return initializeDDiT(config, draw).map((value) => value + 0.15 * draw.normal());
};
const tokens = Int32Array.of(3, 1, 4, 1, 5, 0, 2);

test("without conditioning there are no parameters of σ; the others have the names and order that they have with it", () => {
  const names = (config: DDiTConfig) => dditParameters(config).map(({ name }) => name);
  expect(names(plain)).toEqual(names({ ...plain, conditioning: 8 }).filter((name) => !/sigma_map|adaLN/.test(name)));
});

test("fresh, every block is the identity and every token equally likely", async () => {
  const { logits, stage0, stage1, stage2 } = await forward(causal, initializeDDiT(causal, random(1)), tokens);
  expect(stage0!.some((value) => value !== 0)).toBe(true);
  expect([stage1, stage2]).toEqual([stage0, stage0]);
  expect(logits!.every((value) => value === 0)).toBe(true);
});

describe("causal", () => {
  test.each([0, 3, 6])("what stands at %i changes it and what follows, and nothing before it", async (at) => {
    const parameters = shaken(causal);
    const before = (await forward(causal, parameters, tokens))["logits"]!;
    const after = (await forward(causal, parameters, tokens.with(at, 6)))["logits"]!;
    const changed = (i: number) => before.subarray(i * 7, i * 7 + 7).some((value, y) => value !== after[i * 7 + y]);
    expect([...tokens.keys()].filter(changed)).toEqual([...tokens.keys()].filter((i) => i >= at));
  });

  test("without it every position sees every other", async () => {
    const parameters = shaken(plain);
    const before = (await forward(plain, parameters, tokens))["logits"]!;
    const after = (await forward(plain, parameters, tokens.with(6, 6)))["logits"]!;
    for (const i of tokens.keys()) expect(before.subarray(i * 7, i * 7 + 7)).not.toEqual(after.subarray(i * 7, i * 7 + 7));
  });
});
