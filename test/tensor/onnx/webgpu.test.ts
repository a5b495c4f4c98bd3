/** What the WebGPU build makes of programs as they are lowered for it, on a software adapter in a real browser. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { logSumExp, toOnnx, trace } from "../../../src/tensor/index.ts";
import { inChromium, ISOLATED, serveFolders, WEBGPU, withPage } from "../../browser/chromium.ts";
import { root } from "../../house/tools.ts";

const html = `<!doctype html><title>WebGPU</title><script type="module">
import * as ort from "/runtime/ort.webgpu.min.mjs";
globalThis.ort = ort;
</script>`;

/** What the test uses of the runtime. */
interface Ort {
  readonly env: { readonly wasm: { wasmPaths: string } };
  readonly Tensor: new (dtype: "float32", data: Float32Array, shape: readonly number[]) => unknown;
  readonly InferenceSession: {
    create(
      model: Uint8Array,
      options: object,
    ): Promise<{ run(feeds: object): Promise<Record<string, { getData(): Promise<Float32Array> }>> }>;
  };
}

inChromium("WebGPU", () => {
  it("log Σ exp of logits whose exponentials a float32 does not hold", async () => {
    const program = trace({ x: { dtype: "float32", shape: [3, 40] } }, ({ x }) => ({ y: logSumExp(x) }));
    const rows = [120, -120, 0].map((level) => Array.from({ length: 40 }, (_, i) => Math.fround(level + 3 * Math.sin(i))));
    const site = await serveFolders(
      { "/runtime/": join(root, "node_modules", "onnxruntime-web", "dist") },
      {
        headers: ISOLATED,
        answer({ url }, response) {
          if (url === "/") response.writeHead(200, { ...ISOLATED, "content-type": "text/html" }).end(html);
          return url === "/";
        },
      },
    );
    try {
      const model = [...toOnnx(program, { standard: true })];
      const totals = await withPage(
        site.url,
        (page) =>
          page.evaluate(
            async ({ model, x }) => {
              const { ort } = globalThis as unknown as { ort: Ort };
              ort.env.wasm.wasmPaths = "/runtime/";
              const session = await ort.InferenceSession.create(Uint8Array.from(model), { executionProviders: ["webgpu"] });
              const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.from(x), [3, 40]) });
              return [...(await y!.getData())];
            },
            { model, x: rows.flat() },
          ),
        { flags: WEBGPU },
      );
      rows.forEach((logits, row) => {
        const most = Math.max(...logits);
        const total = most + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - most), 0));
        // WGSL's log and exp are right to a few units in the last place.
        expect(Math.abs(totals[row]! - total)).toBeLessThan(1e-4);
      });
    } finally {
      await site.close();
    }
  });
});
