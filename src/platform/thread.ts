/** A module of this package in a thread of its own (Node only): the network blocks the thread that it runs on. */
import { type MessagePort, parentPort, Worker, workerData } from "node:worker_threads";

interface Begun {
  readonly module: string;
  readonly data: unknown;
}

/**
 * Starts a module anew in a thread.
 *
 * @param module its own `import.meta.url`
 * @param data plain data, which the thread finds by {@link threadOf}
 */
export function startThread(module: string, data: unknown): Worker {
  // The unbuilt sources (tests) start the built module: Node runs no TypeScript.
  const built = module.replace(/\/src\/(.*)\.ts$/, "/dist/$1.js");
  // Flags of this process are not the thread's: a test runner's would lead it to the sources.
  return new Worker(new URL(built), { workerData: { module: built, data } satisfies Begun, execArgv: [] });
}

/** What a module was started with, and how it speaks to who started it; undefined where it is only imported. */
export function threadOf<T>(module: string): { readonly port: MessagePort; readonly data: T } | undefined {
  const begun = workerData as Begun | null;
  return parentPort && begun?.module === module ? { port: parentPort, data: begun.data as T } : undefined;
}
