/** The committed protobuf code is what `npm run generate` makes of onnx.proto. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { expect, it } from "vitest";
import { printed, root, run } from "./tools.ts";

const FILE = "src/tensor/onnx/onnx_pb.ts";
const bin = join(root, "node_modules", ".bin");
const buf = join(bin, "buf");
// buf has no build for some platforms; its npm package is then an empty shell.
const there = existsSync(buf) && (await run(buf, ["--version"]).catch(() => ({ code: 1 }))).code === 0;

it(`${FILE} is up to date`, async ({ skip }) => {
  skip(!there, "buf has no build for this platform");
  const out = await mkdtemp(join(tmpdir(), "sedd-generate-"));
  try {
    const outcome = await run(buf, ["generate", "-o", out], { env: { ...process.env, PATH: bin + delimiter + process.env.PATH } });
    expect(outcome.code, printed(outcome)).toBe(0);
    const same = (await readFile(join(out, FILE), "utf8")) === (await readFile(join(root, FILE), "utf8"));
    expect(same, `${FILE} differs from what onnx.proto gives; run npm run generate`).toBe(true);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
});
