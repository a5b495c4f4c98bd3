/** The WebAssembly build on two threads. A file of its own, because that build takes its number of threads once, when a process first uses it. */
import { expect, test } from "vitest";
import { random } from "../../src/platform/random.ts";
import { compile, exp, gradient, matmul, mul, sum, trace, type Data, type Device } from "../../src/tensor/index.ts";

test("wasm on two threads computes what the native build does, and the same at every run", async () => {
  const program = trace({ x: { dtype: "float32", shape: [96, 128] }, w: { dtype: "float32", shape: [128, 128] } }, ({ x, w }) => {
    const y = exp(mul(matmul(x, w), 0.05));
    const [dx, dw] = gradient(sum(y), [x, w]);
    return { y, dx: dx!, dw: dw! };
  });
  const draw = random(1);
  const floats = (n: number): Float32Array => Float32Array.from({ length: n }, () => draw.normal());
  const feeds = { x: floats(96 * 128), w: floats(128 * 128) };
  const run = async (device: Device): Promise<Record<string, Data>[]> => {
    const executable = await compile(program, { device, threads: 2 });
    const results = [await executable.run(feeds), await executable.run(feeds), await executable.run(feeds)];
    await executable.dispose();
    return results;
  };
  const [native] = await run("cpu");
  const [wasm, ...others] = await run("wasm");
  for (const other of others) expect(other).toEqual(wasm);
  for (const [name, values] of Object.entries(native!)) {
    const scale = Math.max(...Array.from(values as Float32Array, Math.abs));
    // Sums of 128 products in another order.
    const worst = Math.max(...Array.from(values as Float32Array, (value, i) => Math.abs(value - Number(wasm![name]![i]))));
    expect(worst / scale, name).toBeLessThan(2e-5);
  }
});
