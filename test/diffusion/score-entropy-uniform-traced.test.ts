/** The traced score entropy of the uniform graph (float32, what training minimises) against the plain one in float64 and the golden numbers. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { uniformNumbers, uniformScoreEntropyTraced, type UniformNumbers } from "../../src/diffusion/score-entropy-uniform-traced.ts";
import { ratios, scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { uniform } from "../../src/diffusion/uniform.ts";
import { random } from "../../src/platform/random.ts";
import { compile, gradient, trace, type Device, type Executable } from "../../src/tensor/index.ts";
import { goldenJson } from "../support/fixtures.ts";

const keys = ["logRest", "restWeight", "logClean", "cleanWeight"] as const;

interface Row {
  readonly logScore: Float32Array;
  readonly x: number;
  readonly x0: number;
  readonly numbers: UniformNumbers;
}

/** The loss of so many rows, compiled once, with its gradient for the log-scores. */
async function program(V: number, rows: number, device: Device) {
  const column = { dtype: "float32", shape: [rows] } as const;
  const indices = { dtype: "int32", shape: [rows] } as const;
  const signature = { logScore: { dtype: "float32", shape: [rows, V] }, noisy: indices, clean: indices } as const;
  const columns = { logRest: column, restWeight: column, logClean: column, cleanWeight: column };
  const executable: Executable = await compile(
    trace({ ...signature, ...columns }, ({ logScore, noisy, clean, ...numbers }) => {
      const total = uniformScoreEntropyTraced(logScore, noisy, clean, numbers);
      return { total, slope: gradient(total, [logScore])[0]! };
    }),
    { device },
  );
  return {
    dispose: () => executable.dispose(),
    async run(given: readonly Row[]) {
      const logScore = new Float32Array(rows * V);
      given.forEach((row, i) => logScore.set(row.logScore, i * V));
      const ids = (key: "x" | "x0") => Int32Array.from(given, (row) => row[key]);
      const feeds = Object.fromEntries(keys.map((key) => [key, Float32Array.from(given, ({ numbers }) => numbers[key])]));
      const { total, slope } = await executable.run({ logScore, noisy: ids("x"), clean: ids("x0"), ...feeds });
      return { total: Number(total![0]), slope: slope as Float32Array };
    },
  };
}

/** σ' times the score entropy of a row in float64, what its terms are made of in size, and its gradient σ'(s_y − r_y)/V. */
function plain(V: number, sigma: number, rate: number, { logScore, x, x0 }: Row) {
  const graph = uniform(V);
  const r = ratios(graph, sigma, x, x0);
  const slope = Float64Array.from(logScore, (l, y) => (y === x ? 0 : (rate / V) * (Math.exp(l) - (y === x0 ? r.atClean : r.elsewhere))));
  return { value: rate * scoreEntropy(graph, logScore, sigma, x, x0), slope, scale: (rate / V) * (r.atClean + (V - 1) * r.elsewhere) };
}

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  describe("a small vocabulary", () => {
    const [V, ROWS] = [6, 4];
    let loss: Awaited<ReturnType<typeof program>>;
    beforeAll(async () => (loss = await program(V, ROWS, device)));
    afterAll(() => loss.dispose());

    const rowsOf = (seed: number, sigma: number, rate: number, near: boolean): Row[] => {
      const draw = random(seed);
      const graph = uniform(V);
      return Array.from({ length: ROWS }, () => {
        const [x, x0] = [draw.integer(V), draw.integer(V)];
        const r = ratios(graph, sigma, x, x0);
        // Anywhere, or about the exact ratios, where a loss without cancellation is small term by term.
        const logScore = Float32Array.from({ length: V }, (_, y) =>
          near ? Math.log(y === x0 ? r.atClean : r.elsewhere) + 0.05 * draw.normal() : 2 * draw.normal(),
        );
        return { logScore, x, x0, numbers: uniformNumbers(graph, sigma, rate, x !== x0) };
      });
    };

    // float32 rounds logarithms of at most 14 at 5e-7, and terms of size σ'r/V at 6e-8: 2e-6 of the result and 2e-7 of those, doubled.
    test.each([1e-5, 1e-3, 0.02, 0.3, 1, 5, 20])("equals the plain one at σ = %f, and so does its gradient", async (sigma) => {
      await fc.assert(
        fc.asyncProperty(fc.nat(1e6), fc.boolean(), async (seed, near) => {
          const rate = 1 + (seed % 7);
          const rows = rowsOf(seed, sigma, rate, near);
          const { total, slope } = await loss.run(rows);
          const truth = rows.map((row) => plain(V, sigma, rate, row));
          const [value, scale] = [truth.reduce((a, { value: b }) => a + b, 0), truth.reduce((a, { scale: b }) => a + b, 0)];
          expect(Math.abs(total - value)).toBeLessThanOrEqual(4e-6 * value + 4e-7 * scale);
          truth.forEach(({ slope: expected, scale: size }, row) => {
            const top = expected.reduce((a, b) => Math.max(a, Math.abs(b)), size);
            expected.forEach((d, y) => expect(Math.abs(slope[row * V + y]! - d)).toBeLessThanOrEqual(2e-6 * top));
          });
        }),
        { numRuns: 20 },
      );
    });

    test("what stands at x is not read, however large: e^100 is no float32", async () => {
      const rows = rowsOf(1, 0.5, 1, false).map((row, r): Row => {
        const [x, x0] = [r, r + (r % 2)];
        return { ...row, x, x0, numbers: uniformNumbers(uniform(V), 0.5, 1, x !== x0) };
      });
      const before = await loss.run(rows);
      for (const { logScore, x } of rows) logScore[x] = 100;
      expect(await loss.run(rows)).toEqual(before);
      rows.forEach(({ x }, r) => expect(Math.abs(before.slope[r * V + x]!)).toBe(0));
    });
  });

  // The golden tolerance of a float32 implementation; the official code is NaN, infinite or off by up to 70 % at these rows.
  test("equals the golden truth at every vocabulary up to 50,257 and σ from 1e-5", async () => {
    interface Golden {
      readonly N: number;
      readonly sigma: number;
      readonly x: number;
      readonly x0: number;
      readonly truth_f64: number;
    }
    const { rows } = goldenJson<{ rows: Golden[] }>("uniform-entropy-quirk.json");
    const worst: { error: number; row: Golden }[] = [];
    for (const N of new Set(rows.map((row) => row.N))) {
      const loss = await program(N, 1, device);
      for (const row of rows.filter((other) => other.N === N)) {
        const logScore = Float32Array.from({ length: N }, (_, y) => 0.1 * Math.sin(y));
        const numbers = uniformNumbers(uniform(N), row.sigma, 1, row.x !== row.x0);
        const { total } = await loss.run([{ logScore, x: row.x, x0: row.x0, numbers }]);
        worst.push({ error: Math.abs(total / row.truth_f64 - 1), row });
      }
      await loss.dispose();
    }
    worst.sort((a, b) => b.error - a.error);
    expect(worst[0]!.error, JSON.stringify(worst[0])).toBeLessThan(2e-6);
  });

  test("at 50,257 tokens: finite, exact and differentiable, for scores of all sizes", async () => {
    const V = 50257;
    const loss = await program(V, 2, device);
    const draw = random(6);
    for (const sigma of [1e-5, 1e-3, 0.3, 5]) {
      for (const spread of [0.01, 1, 4]) {
        const logScore = () => Float32Array.from({ length: V }, () => spread * draw.normal());
        const row = (x: number, x0: number): Row => ({
          logScore: logScore(),
          x,
          x0,
          numbers: uniformNumbers(uniform(V), sigma, 1, x !== x0),
        });
        const rows = [row(7, 7), row(3, 40000)];
        const { total, slope } = await loss.run(rows);
        const [kept, moved] = rows.map((one) => plain(V, sigma, 1, one));
        const value = kept!.value + moved!.value;
        const size = `σ ${sigma}, spread ${spread}: ${total} for ${value}`;
        // As the golden rows, and float32's rounding of 6e-8 of each term beside.
        expect(Math.abs(total - value), size).toBeLessThan(2e-6 * value + 1e-7 * (kept!.scale + moved!.scale));
        [kept!, moved!].forEach(({ slope: expected }, i) => {
          const top = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
          let error = 0;
          expected.forEach((d, y) => (error = Math.max(error, Math.abs(slope[i * V + y]! - d))));
          expect(error, size).toBeLessThan(2e-6 * Math.max(top, 1 / V));
        });
      }
    }
    await loss.dispose();
  });

  test("ratios formed as the official code does, 1 − V/(e^σ − 1 + V) in float32, fail these tests", async () => {
    const V = 50257;
    const f = Math.fround;
    const loss = await program(V, 1, device);
    for (const [sigma, x0] of [
      [1e-5, 4],
      [1e-3, 4],
      [1e-3, 9],
      [0.3, 9],
    ] as const) {
      const ratio = f(1 - f(V / f(f(Math.expm1(sigma)) + V)));
      const moved = x0 !== 4;
      const wrong: UniformNumbers = {
        ...{ logRest: moved ? 0 : Math.log(ratio), restWeight: (moved ? 1 : ratio) / V },
        ...{ logClean: moved ? -Math.log(ratio) : 0, cleanWeight: moved ? 1 / ratio / V : 0 },
      };
      const row: Row = { logScore: new Float32Array(V), x: 4, x0, numbers: wrong };
      const { value, scale } = plain(V, sigma, 1, row);
      const error = async (numbers: UniformNumbers) => Math.abs((await loss.run([{ ...row, numbers }])).total - value);
      // 50,257 equal terms, as a fresh network has them, are the worst case of a float32 sum: 6e-6.
      const allowed = 1e-5 * value + 1e-7 * scale;
      expect(await error(uniformNumbers(uniform(V), sigma, 1, moved))).toBeLessThan(allowed);
      expect(await error(wrong)).not.toBeLessThan(allowed); // NaN too
    }
    await loss.dispose();
  });
});
