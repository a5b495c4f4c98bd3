/** `.onnx` files: what the standard's checker, the standard's reference implementation and the runtime make of them. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import * as native from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { dditHead, dditParameters, dditTrunk, type DDiTConfig } from "../../../src/network/ddit.ts";
import { lossProgram, PARAMETER } from "../../../src/objectives/objective.ts";
import { seddObjective, type SeddConfig } from "../../../src/objectives/sedd.ts";
import { random } from "../../../src/platform/random.ts";
import { ModelProtoSchema } from "../../../src/tensor/onnx/onnx_pb.ts";
import * as ops from "../../../src/tensor/index.ts";
import { compile, toOnnx, trace, type Data, type Program, type Spec, type Tensor } from "../../../src/tensor/index.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("check_onnx.py", import.meta.url));

/** A Python that has the package `onnx`. */
async function findPython(): Promise<string | undefined> {
  for (const python of [process.env["SEDD_PYTHON"], fileURLToPath(new URL("../../../.venv/bin/python", import.meta.url)), "python3"]) {
    if (!python) continue;
    const found = await run(python, ["-c", "import onnx.reference, numpy"]).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  return undefined;
}
const python = await findPython();
/** Why its tests are skipped where there is none. */
const NO_CHECKER =
  "no Python with the packages onnx and numpy; name one in SEDD_PYTHON, or: python3 -m venv .venv && .venv/bin/pip install onnx";

const network: DDiTConfig = { states: 11, hidden: 16, layers: 2, heads: 2, conditioning: 8, dropout: 0.2 };
const shape = { batch: 2, length: 6 };
const draw = random(1);
const floats = (n: number, scale = 0.4): Float32Array => Float32Array.from({ length: n }, () => scale * draw.normal());

type Case = [name: string, program: Program, feeds: Record<string, Data>];

function forward(): Case {
  const specs: Record<string, Spec> = Object.fromEntries(
    dditParameters(network).map(({ name, shape: extents }) => [name, { dtype: "float32", shape: extents } as const]),
  );
  const mask: Spec = { dtype: "float32", shape: [1, 1, 1, shape.length] };
  const program = trace(
    { ...specs, tokens: { dtype: "int32", shape: [shape.batch, shape.length] }, sigma: { dtype: "float32", shape: [shape.batch] }, mask },
    (p: Record<string, Tensor>) => {
      const { output, conditioning } = dditTrunk(p, network, { tokens: p["tokens"]!, sigma: p["sigma"]!, mask: p["mask"]! });
      return { logits: dditHead(p, output, network.states - 1), conditioning: conditioning! };
    },
  );
  const feeds: Record<string, Data> = Object.fromEntries(
    Object.entries(specs).map(([name, { shape: extents }]) => [name, floats(extents.reduce((a, b) => a * b, 1))]),
  );
  return [
    "the DDiT's forward pass",
    program,
    {
      ...feeds,
      tokens: Int32Array.from({ length: 12 }, () => draw.integer(11)),
      sigma: Float32Array.of(0.1, 3),
      mask: Float32Array.of(0, 0, 0, 0, -1e9, -1e9),
    },
  ];
}

function lossAndGradient(parameterization: SeddConfig["parameterization"]): Case {
  const objective = seddObjective({
    network,
    graph: "absorb",
    noise: { kind: "loglinear", eps: 1e-3 },
    parameterization,
    scaleBySigma: true,
  });
  const tokens = Int32Array.from({ length: 12 }, () => draw.integer(10));
  const { feeds, capacity } = objective.corrupt(tokens, shape, random(2), true);
  const program = lossProgram(objective, shape, capacity, { training: true, gradients: true });
  return [
    `loss and every gradient, ${parameterization}, with dropout`,
    program,
    { ...objective.layout.slices(floats(objective.layout.size), PARAMETER), ...feeds },
  ];
}

/** Every operation that the two networks leave out. */
function others(): Case {
  const program = trace(
    {
      x: { dtype: "float32", shape: [2, 3, 4] },
      table: { dtype: "float32", shape: [5, 4] },
      i: { dtype: "int32", shape: [3] },
      c: { dtype: "bool", shape: [3, 1] },
    },
    ({ x, table, i, c }) => {
      const positive = ops.exp(x);
      const y = [
        ops.log(positive),
        ops.sqrt(positive),
        ops.tanh(x),
        ops.neg(x),
        ops.div(x, positive),
        ops.sub(x, 1),
        ops.where(c, x, ops.broadcastTo(ops.gather(table, i), [2, 3, 4])),
      ];
      const product = ops.matmul(ops.transpose(x, [0, 2, 1]), x, { transposeA: true, transposeB: true, scale: 0.5 });
      const loss = ops.sum(ops.add(ops.sum(ops.concat(y, 1)), ops.sum(ops.mul(product, product))));
      const [dx, dTable] = ops.gradient(loss, [x, table]);
      // A table's gradient as an inner value is written as a product with a one-hot matrix.
      return { loss, dx: dx!, dTable: ops.neg(dTable!), equal: ops.equals(i, 2) };
    },
  );
  return ["the remaining operations", program, { x: floats(24), table: floats(20), i: Int32Array.of(2, 0, 2), c: Uint8Array.of(1, 0, 1) }];
}

const cases: Case[] = [forward(), lossAndGradient("score"), lossAndGradient("normalized"), others()];

interface Judgement {
  readonly error: string | null;
  readonly outputs: Readonly<Record<string, { readonly shape: number[]; readonly values: number[] }>>;
}
/** What Python said of each file. */
let judged: Readonly<Record<string, Judgement>> = {};
beforeAll(async () => {
  if (!python) return;
  const folder = await mkdtemp(join(tmpdir(), "sedd-onnx-"));
  for (const [name, program, feeds] of cases) {
    const file = (suffix: string): string => join(folder, `${name}${suffix}`);
    const inputs = Object.entries(program.inputs).map(([input, { dtype, shape: extents }]) => [
      input,
      { dtype, shape: extents, values: Array.from(feeds[input]!, Number) },
    ]);
    await writeFile(file(".onnx"), toOnnx(program, { standard: true }));
    await writeFile(file(".inputs.json"), JSON.stringify(Object.fromEntries(inputs)));
    await writeFile(file(" for the runtime.onnx"), toOnnx(program));
  }
  await run(python, [script, folder]);
  judged = JSON.parse(await readFile(join(folder, "results.json"), "utf8")) as typeof judged;
  await rm(folder, { recursive: true });
});

/** Largest difference, relative to the largest value. */
function distance(actual: ArrayLike<number | bigint>, expected: ArrayLike<number | bigint>): number {
  expect(actual.length).toBe(expected.length);
  let [top, worst] = [1e-30, 0];
  for (let i = 0; i < expected.length; i++) {
    top = Math.max(top, Math.abs(Number(expected[i])));
    const difference = Math.abs(Number(actual[i]) - Number(expected[i]));
    worst = difference > worst || Number.isNaN(difference) ? difference : worst;
  }
  return worst / top;
}

/** What `compile` makes of the program: without the standard form. */
async function plain(program: Program, feeds: Record<string, Data>): Promise<Record<string, Data>> {
  const executable = await compile(program);
  const results = await executable.run(feeds);
  await executable.dispose();
  return results;
}

describe.each(cases)("%s", (name, program, feeds) => {
  test("the standard form has only operators of the standard, and the runtime's fused product is nowhere else", () => {
    const domains = (bytes: Uint8Array): string[] =>
      [...new Set(fromBinary(ModelProtoSchema, bytes).graph!.node.map((node) => node.domain))].sort();
    expect(domains(toOnnx(program, { standard: true }))).toEqual([""]);
    expect(domains(toOnnx(program))).toEqual(["", "com.microsoft"]);
    expect(fromBinary(ModelProtoSchema, toOnnx(program, { standard: true })).opsetImport.map(({ domain }) => domain)).toEqual([""]);
  });

  // Other kernels and another order of the same sums: 1e-5 of each tensor's largest value, fifty times a float32's rounding.
  test("the file that is saved runs to the same values as the program that is compiled", async () => {
    const expected = await plain(program, feeds);
    for (const standard of [true, false]) {
      const session = await native.InferenceSession.create(toOnnx(program, { standard }), { logSeverityLevel: 3 });
      const inputs = session.inputNames.map((name) => {
        const { dtype, shape: extents } = program.inputs[name]!;
        return [name, new native.Tensor(dtype as "float32", feeds[name] as Float32Array, extents)] as const;
      });
      const results = await session.run(Object.fromEntries(inputs));
      expect(session.outputNames.toSorted()).toEqual(Object.keys(program.outputs).toSorted());
      for (const [name, data] of Object.entries(expected))
        expect([name, distance(results[name]!.data as Float32Array, data) < 1e-5]).toEqual([name, true]);
      await session.release();
    }
  });

  test("the standard's checker accepts both forms", ({ skip }) => {
    skip(!python, NO_CHECKER);
    expect(judged[name]!.error).toBe(null);
    expect(judged[`${name} for the runtime`]!.error).toBe(null);
  });

  // Both round to float32, each sums in its own order, and a layer norm's gradient takes near-equal numbers apart (1.4e-5 was seen); an operator
  // or an attribute that means something else to the standard would change a tensor by a large part of itself. Hence 1e-4.
  test("the standard's reference implementation computes the same", async ({ skip }) => {
    skip(!python, NO_CHECKER);
    const { outputs } = judged[name]!;
    for (const [output, data] of Object.entries(await plain(program, feeds))) {
      expect([output, outputs[output]!.shape]).toEqual([output, [...program.outputs[output]!.shape]]);
      expect([output, distance(data as Float32Array, outputs[output]!.values) < 1e-4]).toEqual([output, true]);
    }
  });
});

test("the standard form of log Σ exp takes the maximum out, so that no kernel can overflow", async () => {
  const program = trace({ x: { dtype: "float32", shape: [3, 2, 5] } }, ({ x }) => {
    const y = ops.logSumExp(x);
    return { y, dx: ops.gradient(ops.sum(y), [x])[0]! };
  });
  // Beyond e^88.7 and below e^-104 a float32 has no value.
  const x = Float32Array.from({ length: 30 }, (_, i) => [120, -120, 0][Math.floor(i / 10)]! + 3 * Math.sin(i));
  const operators = fromBinary(ModelProtoSchema, toOnnx(program, { standard: true })).graph!.node.map(({ opType }) => opType);
  expect(operators).not.toContain("ReduceLogSumExp");
  const session = await native.InferenceSession.create(toOnnx(program, { standard: true }), { logSeverityLevel: 3 });
  const { y, dx } = await session.run({ x: new native.Tensor("float32", x, [3, 2, 5]) });
  await session.release();
  for (let row = 0; row < 6; row++) {
    const logits = [...x.subarray(5 * row, 5 * row + 5)];
    const most = Math.max(...logits);
    const total = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
    // A float32 near 120 is within 4e-6; of the gradient e^(x − y), that is the relative error.
    expect(Math.abs(Number(y!.data[row]) - total)).toBeLessThan(2e-5);
    logits.forEach((logit, j) => expect(Math.abs(Number(dx!.data[5 * row + j]) - Math.exp(logit - total))).toBeLessThan(2e-5));
  }
});

test("inputs and outputs keep their names, types and shapes, also those that nothing reads", () => {
  const program = trace(
    { x: { dtype: "float32", shape: [2, 3] }, unread: { dtype: "bool", shape: [] }, v7: { dtype: "int32", shape: [4] } },
    ({ x, v7 }) => ({
      y: ops.exp(x),
      "yes/no": ops.equals(v7, 0),
    }),
  );
  const { graph } = fromBinary(ModelProtoSchema, toOnnx(program));
  const described = (values: NonNullable<typeof graph>["input"]): unknown[] =>
    values.map(({ name, type }) => [
      name,
      type!.tensorType!.elemType,
      ...type!.tensorType!.shape!.dim.map(({ dimValue }) => Number(dimValue)),
    ]);
  // ONNX: 1 float, 6 int32, 9 bool.
  expect(described(graph!.input)).toEqual([
    ["x", 1, 2, 3],
    ["unread", 9],
    ["v7", 6, 4],
  ]);
  expect(described(graph!.output)).toEqual([
    ["y", 1, 2, 3],
    ["yes/no", 9, 4],
  ]);
});

test("the same program always becomes the same bytes", () => {
  expect(toOnnx(lossAndGradient("score")[1])).toEqual(toOnnx(lossAndGradient("score")[1]));
});
