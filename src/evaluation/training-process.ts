/**
 * A contestant's training in a process of its own. The network blocks the thread that it runs on: in one thread, trainings side by side would wait for each other, and so
 * would Ctrl-C and the lines of progress. A thread would not do: the runtime lets only a process's first session flush denormals (see CompileOptions).
 */
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { messageOf, UserError } from "../platform/errors.ts";
import type { Metric } from "../training/metrics.ts";
import type { Plan } from "./comparison-recipe.ts";
import { trainContestant, type Trained, type TrainingOptions } from "./contestants.ts";

interface Task {
  readonly plan: Plan;
  readonly out: string;
}

type ToProcess = { readonly type: "train"; readonly task: Task } | { readonly type: "stop" };
type FromProcess =
  | { readonly type: "begin"; readonly steps: number }
  | { readonly type: "metric"; readonly metric: Metric }
  | { readonly type: "trained"; readonly trained: Trained }
  | { readonly type: "stopped" }
  | { readonly type: "failed"; readonly message: string; readonly stack: string | undefined; readonly mistake: boolean };

/** As {@link trainContestant}, with its errors, beside whatever else this process does. */
export async function trainInProcess(plan: Plan, out: string, { signal, onBegin, onMetric }: TrainingOptions): Promise<Trained> {
  signal?.throwIfAborted();
  // The unbuilt sources (tests) start the built module: Node runs no TypeScript. Flags of this process are not the other's.
  const file = import.meta.url.endsWith(".ts") ? "../../dist/evaluation/training-process.js" : "./training-process.js";
  const child = fork(new URL(file, import.meta.url), {
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "inherit", "ipc"],
  });
  const tell = (message: ToProcess): void => void (child.connected && child.send(message));
  const stop = (): void => tell({ type: "stop" });
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<Trained>((resolve, reject) => {
      child.on("message", (message: FromProcess) => {
        if (message.type === "begin") onBegin?.(message.steps);
        else if (message.type === "metric") onMetric?.(message.metric);
        else if (message.type === "trained") resolve(message.trained);
        else if (message.type === "stopped") reject(signal?.aborted ? (signal.reason as Error) : stoppedApart(out));
        else reject(errorOf(message));
      });
      child.once("error", reject);
      child.once("exit", (code, killed) => reject(new Error(`the process that trains ${out} ended: ${killed ?? `exit code ${code}`}`)));
      tell({ type: "train", task: { plan, out } });
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    if (child.connected) child.disconnect();
  }
}

const stoppedApart = (out: string): UserError =>
  new UserError(`${out}: its training was stopped from outside, and is saved; the same command goes on from there`);

function errorOf({ message, stack, mistake }: Extract<FromProcess, { type: "failed" }>): Error {
  const error = mistake ? new UserError(message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

function serve(): void {
  const stopping = new AbortController();
  const say = (message: FromProcess): void => void (process.connected && process.send!(message));
  // Ctrl-C reaches every process of a terminal; this one is stopped by the one that started it. Where that is gone, or a signal ends the whole group, it saves and ends too.
  process.on("SIGINT", () => undefined);
  for (const end of ["disconnect", "SIGTERM", "SIGHUP"]) process.once(end, () => stopping.abort());
  process.on("message", (message: ToProcess) => {
    if (message.type === "stop") stopping.abort();
    else void work(message.task);
  });

  async function work({ plan, out }: Task): Promise<void> {
    try {
      const trained = await trainContestant(plan, out, {
        signal: stopping.signal,
        onBegin: (steps) => say({ type: "begin", steps }),
        onMetric: (metric) => say({ type: "metric", metric }),
      });
      say({ type: "trained", trained });
    } catch (error) {
      if (stopping.signal.aborted && error === stopping.signal.reason) say({ type: "stopped" });
      else {
        const stack = error instanceof Error ? error.stack : undefined;
        say({ type: "failed", message: messageOf(error), stack, mistake: error instanceof UserError });
      }
    }
  }
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) serve();
