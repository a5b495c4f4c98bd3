/**
 * A model behind its worker, seen from the HTTP thread: jobs wait in a fair, bounded queue, as many rows as allowed are in the worker, and a worker that dies is
 * replaced. A job ends by its result, its client's leaving, its time limit, or with its worker.
 */
import { messageOf, UserError } from "../platform/errors.ts";
import { ApiError } from "./errors.ts";
import type { Connection, FromWorker, Job, JobEvent, ModelCard, Result } from "./protocol.ts";
import { fairQueue } from "./queue.ts";

export interface HostOptions {
  readonly id: string;
  /** Starts the worker, at first and whenever it died. */
  readonly connect: () => Connection;
  /** Rows in the worker at once; a job of more runs alone. */
  readonly maxRows: number;
  /** Jobs that may wait. */
  readonly queueLimit: number;
  /** Milliseconds a job may take, waiting included. */
  readonly timeLimit: number;
  /** Hears of calls of the network, and of a worker's death and what it threw. */
  readonly onCall?: ((rows: number, runs: number) => void) | undefined;
  readonly onLost?: ((failure: string) => void) | undefined;
}

export interface RunOptions {
  /** Whose turn it is: one client, one lane. */
  readonly lane: string;
  readonly rows: number;
  /** Of a request whose first job was taken: waits beyond the limit too, since of a part of them nobody has anything. */
  readonly admitted?: boolean | undefined;
  /** Aborted when the client leaves or needs no more: the job is taken from the worker at its next step. */
  readonly signal: AbortSignal;
  readonly onEvent?: ((event: JobEvent) => void) | undefined;
}

export interface ModelHost {
  readonly id: string;
  /** When the model is loaded for the first time; rejects with what is wrong with it. */
  readonly loaded: Promise<ModelCard>;
  /** Undefined until then. */
  readonly card: ModelCard | undefined;
  readonly state: { readonly ready: boolean; readonly waiting: number; readonly rows: number };
  /** @throws ApiError 400 for a job that makes no sense, 429 when too many wait, 503, 504; the signal's reason when it aborts */
  run(job: Job, options: RunOptions): Promise<Result>;
  /** Takes no more, lets what runs end for `grace` milliseconds, cancels the rest and ends the worker. */
  stop(grace: number): Promise<void>;
}

interface Entry {
  readonly number: number;
  readonly job: Job;
  readonly options: RunOptions;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
  /** Nobody waits for it any more; its rows are free when the worker says so. */
  abandoned: boolean;
}

/** A worker that died younger than this is replaced after a pause, so that a broken one does not spin; milliseconds. */
const SHORT_LIFE = 5000;
const PAUSE = 500;

export function modelHost({ id, connect, maxRows, queueLimit, timeLimit, onCall, onLost }: HostOptions): ModelHost {
  const queue = fairQueue<Entry>(queueLimit);
  const running = new Map<number, Entry>();
  let connection: Connection | undefined;
  let [born, next, ready, stopping] = [0, 0, false, false];
  let card: ModelCard | undefined;
  let whenIdle: (() => void) | undefined;
  let told: { resolve: (card: ModelCard) => void; reject: (error: unknown) => void };
  const loaded = new Promise<ModelCard>((resolve, reject) => (told = { resolve, reject }));
  loaded.catch(() => undefined);

  const rowsInFlight = (): number => [...running.values()].reduce((sum, { options }) => sum + options.rows, 0);
  const fits = ({ options }: Entry): boolean => {
    const rows = rowsInFlight();
    return ready && (rows === 0 || rows + options.rows <= maxRows);
  };
  const start = (entry: Entry): void => {
    running.set(entry.number, entry);
    connection!.postMessage({ type: "start", job: entry.number, task: entry.job });
  };

  const dispatch = (): void => {
    for (let entry = queue.take(fits); entry; entry = queue.take(fits)) start(entry);
    if (running.size === 0 && queue.size === 0) whenIdle?.();
  };

  const hear = (message: FromWorker): void => {
    if (message.type === "ready") {
      card = message.card;
      ready = true;
      told.resolve(card);
      dispatch();
    } else if (message.type === "broken") {
      told.reject(message.user ? new UserError(message.message) : new Error(message.message));
      void connection?.terminate();
    } else if (message.type === "call") onCall?.(message.rows, message.runs);
    else {
      const entry = running.get(message.job);
      if (!entry) return;
      if (message.type === "event") {
        if (!entry.abandoned) entry.options.onEvent?.(message.event);
        return;
      }
      running.delete(message.job);
      if (message.type === "done") entry.resolve(message.result);
      else if (message.reason === "user") entry.reject(new ApiError(400, message.message));
      else entry.reject(new Error(message.message));
      dispatch();
    }
  };

  const begin = (): void => {
    born = Date.now();
    const current = connect();
    let failure = "";
    connection = current;
    current.on("message", (message: FromWorker) => {
      if (connection !== current) return;
      if (message.type === "broken") failure = `: ${message.message}`;
      hear(message);
    });
    current.on("exit", () => {
      if (connection !== current) return;
      ready = false;
      connection = undefined;
      const lost = [...running.values()];
      running.clear();
      for (const { reject } of lost)
        reject(new ApiError(503, "the model's worker stopped during this request; try again", { code: "worker_lost", retryAfter: 1 }));
      if (stopping) {
        whenIdle?.();
        return;
      }
      told.reject(new Error(`the worker of model ${id} stopped while it loaded${failure}`));
      onLost?.(failure);
      // Also before the model was ever loaded: whoever waits for `loaded` decides what that means.
      if (card) setTimeout(() => !stopping && begin(), Date.now() - born < SHORT_LIFE ? PAUSE : 0).unref();
    });
    // A worker that throws exits after it; the listener keeps its error from ending this process.
    current.on("error", (error) => (failure = `: ${messageOf(error)}`));
  };
  begin();

  const abandon = (entry: Entry, error: unknown): void => {
    entry.abandoned = true;
    if (queue.remove(entry)) dispatch();
    else if (running.has(entry.number)) connection?.postMessage({ type: "cancel", job: entry.number });
    entry.reject(error);
  };

  return {
    id,
    loaded,
    get card() {
      return card;
    },
    get state() {
      return { ready, waiting: queue.size, rows: rowsInFlight() };
    },
    async run(job, options) {
      const { lane, signal } = options;
      signal.throwIfAborted();
      if (stopping) throw new ApiError(503, "the server is stopping; try another replica, or later", { code: "stopping", retryAfter: 5 });
      let stopListening = (): void => undefined;
      try {
        return await new Promise<Result>((resolve, reject) => {
          const entry: Entry = { number: next++, job, options, resolve, reject, abandoned: false };
          // One that starts at once waits for nothing, however few may wait.
          if (queue.size === 0 && fits(entry)) start(entry);
          else {
            const refused = queue.push(lane, entry, options.admitted);
            if (refused) {
              const full = queueLimit === 0 ? "the model is busy, and no request may wait here" : `${queue.size} requests wait already`;
              refused.reject(new ApiError(429, `${full}; try again in a moment`, { code: "queue_full", retryAfter: 2 }));
            }
            if (refused === entry) return;
          }
          const late = setTimeout(
            () =>
              abandon(
                entry,
                new ApiError(504, `the request took longer than ${timeLimit / 1000} s; ask for fewer tokens, steps or texts`, {
                  code: "timeout",
                }),
              ),
            timeLimit,
          );
          const leave = (): void => abandon(entry, signal.reason);
          signal.addEventListener("abort", leave, { once: true });
          stopListening = () => {
            clearTimeout(late);
            signal.removeEventListener("abort", leave);
          };
        });
      } finally {
        stopListening();
      }
    },
    async stop(grace) {
      stopping = true;
      const idle = new Promise<void>((resolve) => (whenIdle = resolve));
      let timer: NodeJS.Timeout | undefined;
      if (running.size + queue.size > 0) await Promise.race([idle, new Promise((resolve) => (timer = setTimeout(resolve, grace)))]);
      clearTimeout(timer);
      const gone = new ApiError(503, "the server stopped before this request was done", { code: "stopping", retryAfter: 5 });
      while (queue.size > 0)
        abandon(
          queue.take(() => true)!,
          gone,
        );
      for (const entry of running.values()) abandon(entry, gone);
      await connection?.terminate();
    },
  };
}
