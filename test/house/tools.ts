/** What the tests of the house share: where the checkout is, and running one of its programs. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end; standard input is closed. */
export function run(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, ...options, stdio: ["ignore", "pipe", "pipe"] });
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", reject).once("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Runs a program that an installed package brings, without npm in between. */
export async function runTool(name: string, program: string, args: readonly string[] = [], cwd = root): Promise<Outcome> {
  const folder = join(root, "node_modules", name);
  const { bin } = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as { bin: Record<string, string> };
  return run(process.execPath, [join(folder, bin[program]!), ...args], { cwd });
}

/** What an outcome printed, to be shown when it is not the wanted one. */
export const printed = ({ stdout, stderr }: Outcome): string => `${stdout}${stderr}`.trim();
