/** What the server counts, as Prometheus reads it. No label holds anything that a client chose, so their number is bounded. */
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ModelHost } from "./host.ts";

export interface Metrics {
  readonly requests: Counter<"route" | "status">;
  readonly seconds: Histogram<"route">;
  readonly tokens: Counter<"model">;
  readonly callRows: Histogram<"model">;
  readonly callRuns: Histogram<"model">;
  readonly lost: Counter<"model">;
  text(): Promise<{ readonly type: string; readonly body: string }>;
}

const powersOfTwo = [1, 2, 4, 8, 16, 32, 64, 128];

/** Of the hosts, whose state is read whenever it is asked for, and of the process: memory, time, the event loop's delay. */
export function createMetrics(hosts: ReadonlyMap<string, ModelHost>): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const named = <T extends string>(name: string, help: string, ...labelNames: T[]) => ({
    name: `sedd_${name}`,
    help,
    labelNames,
    registers,
  });
  const watch = (name: string, help: string, value: (state: ModelHost["state"]) => number) =>
    new Gauge({
      ...named(name, help, "model"),
      collect() {
        for (const [model, { state }] of hosts) this.set({ model }, value(state));
      },
    });
  watch("waiting_requests", "Jobs in the queue", ({ waiting }) => waiting);
  watch("rows_in_flight", "Texts that are being written", ({ rows }) => rows);
  watch("model_ready", "1 where the model's worker answers", ({ ready }) => Number(ready));
  collectDefaultMetrics({ register: registry });
  return {
    requests: new Counter(named("http_requests_total", "Requests by route and status", "route", "status")),
    seconds: new Histogram({
      ...named("http_request_seconds", "From a request to the end of its answer", "route"),
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120],
    }),
    tokens: new Counter(named("written_tokens_total", "Tokens written", "model")),
    callRows: new Histogram({ ...named("network_call_rows", "Rows of a call of the network", "model"), buckets: powersOfTwo }),
    callRuns: new Histogram({
      ...named("network_call_requests", "Requests that share a call of the network", "model"),
      buckets: powersOfTwo,
    }),
    lost: new Counter(named("workers_lost_total", "Workers that died", "model")),
    text: async () => ({ type: registry.contentType, body: await registry.metrics() }),
  };
}
