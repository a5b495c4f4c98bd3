/** A model's thread. The network blocks the thread that it runs on, so it never runs on the one that answers HTTP. */
import { startThread, threadOf } from "../platform/thread.ts";
import { serveJobs } from "./engine.ts";
import type { Connection, WorkerSettings } from "./protocol.ts";

export const startWorker = (settings: WorkerSettings): Connection => startThread(import.meta.url, settings);

const thread = threadOf<WorkerSettings>(import.meta.url);
if (thread) await serveJobs(thread.port, thread.data);
