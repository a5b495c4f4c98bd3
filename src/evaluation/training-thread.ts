/**
 * A contestant's training in a thread of its own. The network blocks the thread that it runs on: in one thread, trainings side by side would wait for each other, and
 * so would Ctrl-C and the lines of progress.
 */
import { messageOf, UserError } from "../platform/errors.ts";
import { startThread, threadOf } from "../platform/thread.ts";
import type { Metric } from "../training/metrics.ts";
import type { Plan } from "./comparison-recipe.ts";
import { trainContestant, type Trained, type TrainingOptions } from "./contestants.ts";

interface Task {
  readonly plan: Plan;
  readonly out: string;
}

type FromThread =
  | { readonly type: "begin"; readonly steps: number }
  | { readonly type: "metric"; readonly metric: Metric }
  | { readonly type: "trained"; readonly trained: Trained }
  | { readonly type: "stopped" }
  | { readonly type: "failed"; readonly message: string; readonly stack: string | undefined; readonly mistake: boolean };

/** As {@link trainContestant}, with its errors, beside whatever else this thread does. */
export async function trainInThread(plan: Plan, out: string, { signal, onBegin, onMetric }: TrainingOptions): Promise<Trained> {
  signal?.throwIfAborted();
  const worker = startThread(import.meta.url, { plan, out } satisfies Task);
  const stop = (): void => worker.postMessage("stop");
  signal?.addEventListener("abort", stop, { once: true });
  try {
    return await new Promise<Trained>((resolve, reject) => {
      worker.on("message", (message: FromThread) => {
        if (message.type === "begin") onBegin?.(message.steps);
        else if (message.type === "metric") onMetric?.(message.metric);
        else if (message.type === "trained") resolve(message.trained);
        else if (message.type === "stopped") reject(signal?.reason as Error);
        else reject(errorOf(message));
      });
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the thread that trains ${out} ended with code ${code}`)));
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    await worker.terminate();
  }
}

function errorOf({ message, stack, mistake }: Extract<FromThread, { type: "failed" }>): Error {
  const error = mistake ? new UserError(message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

const thread = threadOf<Task>(import.meta.url);
if (thread) {
  const { port, data } = thread;
  const say = (message: FromThread): void => port.postMessage(message);
  const stopping = new AbortController();
  port.once("message", () => stopping.abort());
  try {
    const trained = await trainContestant(data.plan, data.out, {
      signal: stopping.signal,
      onBegin: (steps) => say({ type: "begin", steps }),
      onMetric: (metric) => say({ type: "metric", metric }),
    });
    say({ type: "trained", trained });
  } catch (error) {
    if (stopping.signal.aborted && error === stopping.signal.reason) say({ type: "stopped" });
    else
      say({
        type: "failed",
        message: messageOf(error),
        stack: error instanceof Error ? error.stack : undefined,
        mistake: error instanceof UserError,
      });
  }
}
