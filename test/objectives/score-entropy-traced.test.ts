/** The traced score entropy (float32, what training minimises) against the plain one (float64, what evaluation adds up). */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import { maskedScoreEntropyTraced, rowNumbers, type Parameterization } from "../../src/diffusion/score-entropy-traced.ts";
import { scoreEntropy } from "../../src/diffusion/score-entropy.ts";
import { random } from "../../src/platform/random.ts";
import { compile, gradient, trace, type Executable } from "../../src/tensor/index.ts";
import { devices } from "./support.ts";

const V = 6;
const graph = absorb(V);
const ROWS = 4;
const column = { dtype: "float32", shape: [ROWS] } as const;

/** σ from the least a log-linear schedule is trained at to its largest. */
const sigmas = [1e-4, 1e-3, 0.01, 0.1, Math.log(2), 1, 3, 6.9];

describe.each(devices)("on %s", (device) => {
  describe.each(["score", "normalized"] as const)("%s", (parameterization: Parameterization) => {
    let executable: Executable;
    beforeAll(async () => {
      const program = trace(
        {
          logits: { dtype: "float32", shape: [ROWS, V + 1] },
          clean: { dtype: "int32", shape: [ROWS] },
          shift: column,
          pull: column,
          rest: column,
        },
        ({ logits, clean, ...numbers }) => {
          const loss = maskedScoreEntropyTraced(parameterization, logits, clean, numbers);
          return { loss, slope: gradient(loss, [logits])[0]! };
        },
      );
      executable = await compile(program, { device });
    });
    afterAll(() => executable.dispose());

    const run = async (seed: number, sigma: number, rate: number, offset: number, padding = 0) => {
      const draw = random(seed);
      const logits = Float32Array.from({ length: ROWS * (V + 1) }, (_, i) => (i % (V + 1) === V ? -1e30 : 2 * draw.normal()));
      const clean = Int32Array.from({ length: ROWS }, () => draw.integer(V));
      const numbers = rowNumbers(parameterization, sigma, rate, offset);
      const filled = (key: "shift" | "pull" | "rest", empty: number): Float32Array =>
        Float32Array.from({ length: ROWS }, (_, row) => (row < ROWS - padding ? numbers[key] : empty));
      const { loss, slope } = await executable.run({
        logits,
        clean,
        shift: filled("shift", -1e30),
        pull: filled("pull", 0),
        rest: filled("rest", 0),
      });
      let expected = 0;
      const expectedSlope = new Float64Array(logits.length);
      for (let row = 0; row < ROWS - padding; row++) {
        const own = Float64Array.from(logits.subarray(row * (V + 1), row * (V + 1) + V));
        const logTotal = Math.log(own.reduce((sum, logit) => sum + Math.exp(logit), 0));
        const logScore = [
          ...own.map((logit) => (parameterization === "score" ? logit + offset : logit - logTotal - Math.log(Math.expm1(sigma)))),
          0,
        ];
        expected += rate * scoreEntropy(graph, logScore, sigma, V, clean[row]!);
        // ∂/∂logit_y of Σ s − r log s_{x0}: s_y − r [y = x0] in both, because Σ s is fixed where the score is normalised.
        for (let y = 0; y < V; y++)
          expectedSlope[row * (V + 1) + y] = rate * (Math.exp(logScore[y]!) - Number(y === clean[row]) / Math.expm1(sigma));
      }
      return { loss: Number(loss![0]), expected, slope: slope as Float32Array, expectedSlope, scale: rate / Math.expm1(sigma) };
    };

    // Terms are of order σ'r·(1 + |logits| + log V), and float32 rounds them at 6e-8: 1e-5 of that, and of the result where it is larger.
    test.each(sigmas)("equals the plain one at σ = %f, and so does its gradient", async (sigma) => {
      await fc.assert(
        fc.asyncProperty(fc.nat(1e6), fc.constantFrom(0, 1, 3), fc.boolean(), async (seed, padding, scaled) => {
          const offset = scaled ? -Math.log(Math.expm1(sigma)) - Math.log(V) : 0;
          const { loss, expected, slope, expectedSlope, scale } = await run(seed, sigma, 1 + (seed % 7), offset, padding);
          expect(Math.abs(loss - expected)).toBeLessThanOrEqual(1e-5 * Math.max(scale, Math.abs(expected)));
          // A slope is a difference of terms of that order: where the network is nearly certain of x0 alone, all that is left of them is small.
          const top = expectedSlope.reduce((a, b) => Math.max(a, Math.abs(b)), scale);
          slope.forEach((value, i) => expect(Math.abs(value - expectedSlope[i]!)).toBeLessThanOrEqual(1e-5 * top));
        }),
        { numRuns: 20, seed: 1 },
      );
    });

    test("rows of padding have no loss and no gradient, whatever their logits", async () => {
      const { loss, slope } = await run(1, 0.5, 1, -0.3, ROWS);
      expect(loss).toBe(0);
      expect([...slope].every((value) => value === 0)).toBe(true);
    });
  });
});
