/** What the benchmarks share: medians, this machine in a line, the PyTorch peer as a process that answers JSON lines. */
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { createInterface } from "node:readline";

export const median = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

export const range = (values) => `${Math.min(...values).toFixed(0)}–${Math.max(...values).toFixed(0)}`;

export function machine() {
  return `${cpus()[0].model.trim()}, ${cpus().length} cores, Node ${process.versions.node}`;
}

/** Peak resident memory of this process in megabytes (Linux). */
export function peakMemory() {
  const line = /VmHWM:\s+(\d+) kB/.exec(readFileSync("/proc/self/status", "utf8"));
  return line ? Number(line[1]) / 1000 : NaN;
}

/** The PyTorch worker of bench/pytorch/train_step.py. */
export function pytorch(options) {
  const python = process.env.SEDD_PYTHON ?? ".venv/bin/python";
  const child = spawn(python, ["bench/pytorch/train_step.py"], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const failed = new Promise((_, reject) =>
    child.once("error", () => reject(new Error(`${python} does not start; see bench/README.md for the virtual environment`))),
  );
  const ask = async (request) => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await Promise.race([lines.next(), failed]);
    if (done) throw new Error(`the PyTorch worker ended (${python}); see bench/README.md`);
    const answer = JSON.parse(value);
    if (answer.error) throw new Error(`PyTorch: ${answer.error}`);
    return answer;
  };
  return {
    ready: ask({ cmd: "init", ...options }),
    steps: (n) => ask({ cmd: "step", n }),
    products: (request) => ask({ cmd: "products", ...request }),
    resetPeak: () => ask({ cmd: "reset_peak" }),
    close: () => child.stdin.end(),
  };
}
