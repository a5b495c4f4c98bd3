/** A command line's world for tests, a terminal that remembers its screen, and a model small enough to make on the fly. */
import { execFileSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Input, Io, Output } from "../../src/cli/io.ts";
import { runCli } from "../../src/cli/program.ts";
import { writeSafetensors } from "../../src/formats/safetensors-writer.ts";
import { writeSeddConfig } from "../../src/objectives/sedd-config.ts";
import { seddObjective, type SeddConfig } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { trainTokenizer } from "../../src/text/train-tokenizer.ts";

export interface Recorded extends Output {
  text: string;
}

export function recorded(terminal: { columns?: number; rows?: number } | undefined = undefined): Recorded {
  return {
    text: "",
    ...(terminal ? { isTTY: true, columns: 80, rows: 24, ...terminal } : {}),
    write(piece: string) {
      this.text += piece;
    },
  };
}

export const inputOf = (...chunks: (string | Uint8Array)[]): Input => ({
  async *[Symbol.asyncIterator]() {
    yield* chunks;
  },
});

export interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs the command line in this process. */
export async function cli(argv: string[], io: Partial<Io> = {}): Promise<Ran> {
  const [stdout, stderr] = [io.stdout ?? recorded(), io.stderr ?? recorded()];
  const code = await runCli(argv, { stdin: inputOf(), signal: new AbortController().signal, env: {}, ...io, stdout, stderr });
  return { code, stdout: (stdout as Recorded).text, stderr: (stderr as Recorded).text };
}

/** A folder of this test's own. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sedd-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export const hasPipes = process.platform !== "win32";

/** A named pipe that nobody writes into. */
export function pipeIn(folder: string): string {
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  return path;
}

export const TALE = "the king saw a fox and the fox saw the king, and they were glad.\n";

/**
 * Writes a model of one small layer with the characters of TALE as tokens, untrained. Every weight is off its first value, where the head is zero: a law
 * by which all characters are alike would hide whether a sampler's setting has any effect.
 */
export async function writeTinyModel(folder: string, length = 12, graph: SeddConfig["graph"] = "absorb"): Promise<void> {
  const corpus = join(folder, "corpus.txt");
  await writeFile(corpus, TALE.repeat(20));
  const tokenizer = await trainTokenizer({ files: [corpus], kind: "character" });
  const sedd: SeddConfig = {
    network: { states: tokenizer.size + Number(graph === "absorb"), hidden: 8, layers: 1, heads: 2, conditioning: 4, dropout: 0 },
    graph,
    noise: { kind: "loglinear", eps: 1e-3 },
    parameterization: graph === "absorb" ? "normalized" : "score",
    scaleBySigma: graph === "absorb",
  };
  const { layout, initialize } = seddObjective(sedd);
  const parameters = initialize(random(1));
  const noise = random(2);
  parameters.forEach((value, i) => (parameters[i] = value + 0.3 * noise.normal()));
  await writeSafetensors(
    join(folder, "model.safetensors"),
    layout.views.map(({ name, shape, offset, size }) => ({ name, dtype: "F32", shape, data: parameters.subarray(offset, offset + size) })),
  );
  await writeFile(join(folder, "config.json"), JSON.stringify(writeSeddConfig({ sedd, length })));
  await writeFile(join(folder, "tokenizer.json"), JSON.stringify(tokenizer.toJSON()));
}

/** What a terminal of these many columns shows after some output: obeys the few sequences that the views write. */
export function screenOf(output: string, columns: number): { lines: string[]; cursorHidden: boolean; styled: boolean } {
  const lines: string[][] = [[]];
  let [row, column, cursorHidden, styled] = [0, 0, false, false];
  // oxlint-disable-next-line no-control-regex
  for (const [piece] of output.matchAll(/\x1b\[[?\d;]*[A-Za-z]|[^]/gu)) {
    const code = /^\x1b\[([?\d;]*)([A-Za-z])$/.exec(piece); // oxlint-disable-line no-control-regex
    if (!code) {
      if (piece === "\r") column = 0;
      else if (piece === "\n") {
        row++;
        column = 0;
        lines[row] ??= [];
      } else {
        if (column >= columns) throw new Error(`screenOf: line ${row} runs over column ${columns}`);
        lines[row]![column++] = piece;
      }
    } else if (code[2] === "A") row -= Number(code[1] || 1);
    else if (code[2] === "K") lines[row]!.length = Math.min(lines[row]!.length, column);
    else if (code[2] === "J") {
      lines[row]!.length = Math.min(lines[row]!.length, column);
      lines.length = row + 1;
    } else if (code[2] === "m") styled = true;
    else if (code[1] === "?25") cursorHidden = code[2] === "l";
    else throw new Error(`screenOf: unknown sequence ${JSON.stringify(piece)}`);
    if (row < 0) throw new Error("screenOf: above the screen");
  }
  return { lines: lines.map((line) => Array.from(line, (cell) => cell ?? " ").join("")), cursorHidden, styled };
}
