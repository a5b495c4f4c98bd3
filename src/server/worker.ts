/** A model's thread. The network blocks the thread that it runs on, so it never runs on the one that answers HTTP. */
import { parentPort, Worker, workerData } from "node:worker_threads";
import { serveJobs } from "./engine.ts";
import type { Connection, WorkerSettings } from "./protocol.ts";

const MARK = "sedd model worker";

/** Starts a thread for a model. The unbuilt sources (tests) start the built worker: Node runs no TypeScript. */
export function startWorker(settings: WorkerSettings): Connection {
  const file = import.meta.url.endsWith(".ts") ? "../../dist/server/worker.js" : "./worker.js";
  // Flags of this process are not the worker's: a test runner's would lead it to the sources.
  return new Worker(new URL(file, import.meta.url), { workerData: { mark: MARK, settings }, execArgv: [] });
}

const begun = workerData as { mark?: string; settings: WorkerSettings } | null;
if (parentPort && begun?.mark === MARK) await serveJobs(parentPort, begun.settings);
