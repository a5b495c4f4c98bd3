/** Calls between the page and its worker: a result, or an error, after any number of events; a call can be cancelled. */
import { messageOf } from "../message.ts";

export interface CallOptions<Event> {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: ((event: Event) => void) | undefined;
}

/** What a worker offers: each method takes one argument that can be cloned. */
export type Methods = Readonly<
  Record<string, (argument: never, options: { signal: AbortSignal; onEvent: (event: unknown) => void }) => Promise<unknown>>
>;

type Request = { readonly call: number; readonly method: string; readonly argument: unknown } | { readonly cancel: number };
type Reply =
  | { readonly call: number; readonly event: unknown }
  | { readonly call: number; readonly result: unknown }
  | { readonly call: number; readonly error: string };

/** A worker as it sees itself. */
interface Scope {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: MessageEvent<Request>) => void): void;
}

/** The worker's side: answers the calls that come. */
export function answerCalls(scope: Scope, methods: Methods): void {
  const running = new Map<number, AbortController>();
  const reply = (message: Reply): void => scope.postMessage(message);
  scope.addEventListener("message", ({ data }) => {
    if ("cancel" in data) {
      running.get(data.cancel)?.abort();
      return;
    }
    const { call, method, argument } = data;
    const controller = new AbortController();
    running.set(call, controller);
    const onEvent = (event: unknown): void => reply({ call, event });
    methods[method]!(argument as never, { signal: controller.signal, onEvent })
      .then(
        (result) => reply({ call, result }),
        (error: unknown) => reply({ call, error: messageOf(error) }),
      )
      .finally(() => running.delete(call));
  });
}

/** The page's side. */
export interface Caller {
  call<Result, Event = never>(method: string, argument: unknown, options?: CallOptions<Event>): Promise<Result>;
  dispose(): void;
}

const CLOSED = "the model was closed";

interface Waiting {
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
  readonly onEvent?: ((event: never) => void) | undefined;
}

export function callsTo(worker: Worker): Caller {
  const waiting = new Map<number, Waiting>();
  let next = 0;
  let closed = false;
  const failAll = (message: string): void => {
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  };
  worker.addEventListener("message", ({ data }: MessageEvent<Reply>) => {
    const entry = waiting.get(data.call);
    if (!entry) return;
    if ("event" in data) return entry.onEvent?.(data.event as never);
    waiting.delete(data.call);
    if ("error" in data) entry.reject(new Error(data.error));
    else entry.resolve(data.result as never);
  });
  worker.addEventListener("error", (event) => failAll(event.message || "the worker stopped; reload the page"));
  return {
    call: (method, argument, { signal, onEvent } = {}) =>
      new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        // A worker that is gone would never answer.
        if (closed) throw new Error(CLOSED);
        const call = next++;
        // An abandoned call is over for the page at once; the worker stops at its next step.
        const leave = (): void => {
          waiting.delete(call);
          worker.postMessage({ cancel: call } satisfies Request);
          reject(signal!.reason as Error);
        };
        signal?.addEventListener("abort", leave, { once: true });
        const settle =
          <T>(then: (value: T) => void) =>
          (value: T): void => {
            signal?.removeEventListener("abort", leave);
            then(value);
          };
        waiting.set(call, { resolve: settle(resolve), reject: settle(reject), onEvent: onEvent as Waiting["onEvent"] });
        worker.postMessage({ call, method, argument } satisfies Request);
      }),
    dispose() {
      closed = true;
      worker.terminate();
      failAll(CLOSED);
    },
  };
}
