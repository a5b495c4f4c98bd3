/** Numbers below 2⁻¹²⁶, which x86 is slow at: a process that asks for it counts them as 0, and no other does. In processes of their own, since the first session decides. */
import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";

const product = (options: object): number[] =>
  JSON.parse(
    execFileSync(
      process.execPath,
      [
        "--input-type=module",
        "--eval",
        `import { compile, mul, trace } from "./dist/tensor/index.js";
         const spec = { dtype: "float32", shape: [2] };
         const program = trace({ a: spec, b: spec }, ({ a, b }) => ({ y: mul(a, b) }));
         const run = await compile(program, ${JSON.stringify({ threads: 1, ...options })});
         const { y } = await run.run({ a: Float32Array.of(1e-30, 2), b: Float32Array.of(1e-10, 3) });
         console.log(JSON.stringify([...y]));`,
      ],
      { encoding: "utf8" },
    ),
  ) as number[];

test("are kept", () => {
  const [tiny, six] = product({});
  expect(six).toBe(6);
  // A denormal float32 is a multiple of 2⁻¹⁴⁹.
  expect(Math.abs(tiny! - 1e-40)).toBeLessThanOrEqual(2 ** -149);
});

test("are 0 where training asks for that (other processors than x86 keep them, at no cost)", () => {
  const [tiny, six] = product({ flushDenormals: true });
  expect(six).toBe(6);
  if (process.arch === "x64" || process.arch === "ia32") expect(tiny).toBe(0);
});
