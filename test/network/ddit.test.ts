/** The DDiT against the official one: parameters, every stage of the forward pass, and what padding and batches must not change. */
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readModel, type StoredModel } from "../../src/model.ts";
import { dditHead, dditParameters, dditTrunk } from "../../src/network/ddit.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { random } from "../../src/platform/random.ts";
import { compile, Layout, trace, type Data, type Device, type Program, type Spec, type Tensor } from "../../src/tensor/index.ts";
import { fixturePath, golden, goldenJson, relativeError } from "../support/fixtures.ts";

type Tolerances = Record<string, { relative_to: "last"; tolerance: number }>;
const tolerancesOf = (fixture: string): Tolerances =>
  goldenJson<Record<string, Tolerances>>("tolerances.json")[`${fixture}/io.safetensors`]!;
const io = golden("sedd-absorb/io.safetensors");
const tolerances = tolerancesOf("sedd-absorb");
const tokens = io.int32("x") as Int32Array;
const [batch, length] = io.shape("x") as [number, number];

/** Compares with a golden tensor as tolerances.json says. */
function expectGolden(fixture: string, name: string, actual: ArrayLike<number>, expected?: ArrayLike<number>): void {
  const { relative_to, tolerance } = tolerancesOf(fixture)[name]!;
  const file = golden(`${fixture}/io.safetensors`);
  const error = relativeError(actual, expected ?? file.tensor(name), relative_to, file.shape(name).at(-1)!);
  expect(error, `${name}: relative error ${error}, tolerance ${tolerance}`).toBeLessThanOrEqual(tolerance);
}

/** A fixture's weights and, from its training checkpoint alone, their moving average. */
async function weightsOf(fixture: string): Promise<{ raw: StoredModel; average: StoredModel }> {
  const own = await readModel(fixturePath(fixture));
  const folder = await mkdtemp(join(tmpdir(), "sedd-checkpoint-"));
  for (const name of ["config.json", "checkpoint.pth"]) await copyFile(fixturePath(`${fixture}/${name}`), join(folder, name));
  const average = await readModel(folder, "ema");
  expect((await readModel(folder, "raw")).parameters).toEqual(own.parameters);
  await rm(folder, { recursive: true });
  return { raw: own, average };
}

const weights: Record<string, Awaited<ReturnType<typeof weightsOf>>> = {};
let raw: StoredModel;
beforeAll(async () => {
  for (const fixture of ["sedd-absorb", "sedd-uniform"]) weights[fixture] = await weightsOf(fixture);
  ({ raw } = weights["sedd-absorb"]!);
});

/** The network at exactly these shapes, with nothing padded. */
function exact({ config }: StoredModel, rows: number, positions: number): Program {
  const { network } = config.sedd;
  const specs = Object.fromEntries(dditParameters(network).map(({ name, shape }) => [name, { dtype: "float32", shape } as const]));
  const signature: Record<string, Spec> = {
    ...specs,
    tokens: { dtype: "int32", shape: [rows, positions] },
    sigma: { dtype: "float32", shape: [rows] },
  };
  return trace(signature, (p: Record<string, Tensor>) => {
    const { output, conditioning, stages } = dditTrunk(p, network, { tokens: p["tokens"]!, sigma: p["sigma"]! });
    return {
      logits: dditHead(p, output),
      conditioning: conditioning!,
      ...Object.fromEntries(stages.map((stage, i) => [`stage${i}`, stage])),
    };
  });
}

async function runExact(
  model: StoredModel,
  device: Device,
  x: Int32Array,
  sigma: ArrayLike<number>,
): Promise<Record<string, Float32Array>> {
  const executable = await compile(exact(model, sigma.length, x.length / sigma.length), { device });
  const named = new Layout(dditParameters(model.config.sedd.network)).slices(model.parameters);
  const results: Record<string, Data> = await executable.run({ ...named, tokens: x, sigma: Float32Array.from(sigma) });
  await executable.dispose();
  return results as Record<string, Float32Array>;
}

test("parameters have the official names, shapes and order", () => {
  const stored = golden("sedd-absorb/model.safetensors");
  const order =
    "vocab_embed.embedding sigma_map.mlp.0.weight sigma_map.mlp.0.bias sigma_map.mlp.2.weight sigma_map.mlp.2.bias " +
    [0, 1]
      .map((i) =>
        [
          "norm1.weight",
          "attn_qkv.weight",
          "attn_out.weight",
          "norm2.weight",
          "mlp.0.weight",
          "mlp.0.bias",
          "mlp.2.weight",
          "mlp.2.bias",
          "adaLN_modulation.weight",
          "adaLN_modulation.bias",
        ]
          .map((name) => `blocks.${i}.${name}`)
          .join(" "),
      )
      .join(" ") +
    " output_layer.norm_final.weight output_layer.linear.weight output_layer.linear.bias output_layer.adaLN_modulation.weight output_layer.adaLN_modulation.bias";
  const specs = dditParameters(raw.config.sedd.network);
  expect(specs.map(({ name }) => name)).toEqual(order.split(" "));
  for (const { name, shape } of specs) expect([name, ...shape]).toEqual([name, ...stored.shape(name)]);
  expect(new Layout(specs).size).toBe(144691);
  expect(raw.parameters).toHaveLength(144691);
});

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  const score = (model: StoredModel): ReturnType<typeof networkScore> => networkScore(model.config.sedd, model.parameters, { device });

  describe.each(["sedd-absorb", "sedd-uniform"])("%s", (fixture) => {
    const file = golden(`${fixture}/io.safetensors`);
    const [x, sigma] = [file.int32("x") as Int32Array, Float64Array.from(file.tensor("sigma"))];

    test("log-scores are the official ones: of the weights and of their moving average, at tiny, large and equal noise", async () => {
      const model = score(weights[fixture]!.raw);
      const scores = await model.all(x, sigma);
      expectGolden(fixture, "log_score", scores, file.float64("log_score_f64"));
      expectGolden(fixture, "log_score", scores);
      expectGolden(fixture, "log_score_same", await model.all(x, Float64Array.from(file.tensor("sigma_same"))));
      await model.dispose();
      const averaged = score(weights[fixture]!.average);
      expectGolden(fixture, "log_score_ema", await averaged.all(x, sigma));
      await averaged.dispose();
    });

    test("so are the conditioning and the residual stream before and after every block", async () => {
      const results = await runExact(weights[fixture]!.raw, device, x, sigma);
      expectGolden(fixture, "cond", results["conditioning"]!);
      for (let i = 0; i < 3; i++) expectGolden(fixture, `hidden.${i}`, results[`stage${i}`]!);
    });
  });

  // The same arithmetic on other shapes, where kernels may sum in another order: the golden tolerance of a whole forward pass.
  test.each([1, 7, 16, 17, 24])(
    "a text of %i positions, padded to a compiled length, scores as one that runs at exactly its length",
    async (n) => {
      const model = score(raw);
      const sigma = [0.3, 2.5];
      const x = Int32Array.from({ length: 2 * n }, (_, i) => (i % 3 ? tokens[i]! : 50));
      const { logits } = await runExact(raw, device, x, sigma);
      const { states } = raw.config.sedd.network;
      // log-score = logit − log(e^σ − 1) − log V, and 0 at the token itself.
      const expected = Float64Array.from(logits!, (logit, i) => {
        const position = Math.floor(i / states);
        return i % states === x[position] ? 0 : logit - Math.log(Math.expm1(sigma[Math.floor(position / n)]!)) - Math.log(states - 1);
      });
      expect(relativeError(await model.all(x, Float64Array.from(sigma)), expected, "last", states)).toBeLessThanOrEqual(
        tolerances["log_score"]!.tolerance,
      );
      await model.dispose();
    },
  );

  // On the native build with two threads: how a product is divided among them must not show either.
  test("a sequence scores the same, to the bit, alone and beside any others", async () => {
    const model = networkScore(raw.config.sedd, raw.parameters, { device, threads: device === "cpu" ? 2 : 1 });
    const draw = random(3);
    const rows = Array.from({ length: 5 }, () => Int32Array.from({ length }, () => draw.integer(51)));
    const sigma = Float64Array.from({ length: 5 }, () => 0.01 + 5 * draw.uniform());
    const { states } = raw.config.sedd.network;
    const alone = await model.all(rows[0]!, sigma.slice(0, 1));
    for (const count of [2, 3, 5]) {
      const together = await model.all(Int32Array.from(rows.slice(0, count).flatMap((row) => [...row])), sigma.slice(0, count));
      expect(together.subarray(0, length * states)).toEqual(alone);
    }
    await model.dispose();
  });

  test("what stands in the padding of another sequence changes nothing", async () => {
    const model = score(raw);
    const [x, sigma] = [tokens.slice(0, 2 * 17), Float64Array.of(1, 1)];
    const before = await model.all(x, sigma);
    // The second sequence changes, and the first one's scores must not; then a call of another length goes between.
    const other = Int32Array.from(x, (token, i) => (i < 17 ? token : (token + 1) % 51));
    const { states } = raw.config.sedd.network;
    expect((await model.all(other, sigma)).subarray(0, 17 * states)).toEqual(before.subarray(0, 17 * states));
    await model.all(tokens.slice(0, 30), Float64Array.of(2));
    expect(await model.all(x, sigma)).toEqual(before);
    await model.dispose();
  });
});

test("the batch of the fixtures is as its description says", () => {
  expect([batch, length]).toEqual([3, 24]);
  expect(Math.max(...tokens)).toBe(50);
});
