/** `sedd doctor`: whether this installation works, one line a question. The devices are asked by running a program on them. */
import { arch, platform, release } from "node:os";
import { cores } from "#platform";
import { messageOf, UserError } from "../platform/errors.ts";
import type { Device } from "../tensor/index.ts";
import type { Define } from "./commands.ts";

export const define: Define = (command, io) =>
  void command.addHelpText("after", "\nEnds with exit code 2 if something is missing.").action(async () => {
    const failed: string[] = [];
    const check = async (name: string, question: () => string | Promise<string>): Promise<void> => {
      let answer: string;
      try {
        answer = `ok    ${await question()}`;
      } catch (error) {
        failed.push(name);
        answer = `FAIL  ${messageOf(error).split("\n")[0]}`;
      }
      io.stdout.write(`${name.padEnd(8)}  ${answer}\n`);
      io.signal.throwIfAborted();
    };
    await check("node", () => process.versions.node);
    await check("platform", () => `${platform()} ${arch()}, release ${release()}`);
    await check("cores", () => String(cores()));
    await check("cpu", () => runOn("cpu"));
    await check("wasm", () => runOn("wasm"));
    await check("models", shipped);
    if (failed.length > 0) throw new UserError(`doctor: ${failed.join(", ")} failed; npm ci installs the package anew`);
  });

/** Computes 3·[1, 2] on a device. */
async function runOn(device: Device): Promise<string> {
  const { compile, mul, trace } = await import("../tensor/index.ts");
  const program = trace({ x: { dtype: "float32", shape: [2] } as const }, ({ x }) => ({ y: mul(x!, 3) }));
  const executable = await compile(program, { device, threads: 1 });
  try {
    const { y } = await executable.run({ x: Float32Array.of(1, 2) });
    const result = Array.from(y as Float32Array).join(", ");
    if (result !== "3, 6") throw new Error(`3·[1, 2] gave [${result}]`);
    return "ran a program";
  } finally {
    await executable.dispose();
  }
}

async function shipped(): Promise<string> {
  const { describe, summaries } = await import("./models.ts");
  const models = await summaries();
  if (models.length === 0) throw new Error("no model in the package's folder models/");
  return models.map(describe).join("; ");
}
