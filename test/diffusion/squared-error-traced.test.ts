/** The ℓ2 concrete-score loss, traced, against its closed form in float64. */
import { describe, expect, test } from "vitest";
import { maskedSquaredErrorTraced } from "../../src/diffusion/squared-error-traced.ts";
import { random } from "../../src/platform/random.ts";
import { compile, trace } from "../../src/tensor/index.ts";

const [ROWS, V] = [5, 6];
const column = { dtype: "float32", shape: [ROWS] } as const;

describe.each(["score", "normalized"] as const)("%s", (parameterization) => {
  test.each([1e-3, 0.1, 1, 6.9])("½ σ' Σ_y (s_y − r_y)² at σ = %d", async (sigma) => {
    const program = trace(
      { logits: { dtype: "float32", shape: [ROWS, V + 1] }, clean: { dtype: "int32", shape: [ROWS] }, shift: column, weight: column },
      ({ logits, clean, shift, weight }) => ({ loss: maskedSquaredErrorTraced(parameterization, logits, clean, { shift, weight }) }),
    );
    const executable = await compile(program, {});
    const draw = random(3);
    const logits = Float32Array.from({ length: ROWS * (V + 1) }, (_, i) => (i % (V + 1) === V ? -1e30 : 2 * draw.normal()));
    const clean = Int32Array.from({ length: ROWS }, () => draw.integer(V));
    const [r, rate, offset] = [1 / Math.expm1(sigma), 1.7, -Math.log(Math.expm1(sigma)) - Math.log(V)];
    const { loss } = await executable.run({
      logits,
      clean,
      shift: new Float32Array(ROWS).fill(offset - Math.log(r)),
      weight: new Float32Array(ROWS).fill((rate * r * r) / 2),
    });
    await executable.dispose();
    let expected = 0;
    for (let row = 0; row < ROWS; row++) {
      const own = Float64Array.from(logits.subarray(row * (V + 1), row * (V + 1) + V));
      const total = own.reduce((sum, logit) => sum + Math.exp(logit), 0);
      own.forEach((logit, y) => {
        const s = parameterization === "score" ? Math.exp(logit + offset) : (r * Math.exp(logit)) / total;
        expected += (rate / 2) * (s - (y === clean[row] ? r : 0)) ** 2;
      });
    }
    expect(Math.abs(Number(loss![0]) / expected - 1)).toBeLessThan(2e-6);
  });
});
