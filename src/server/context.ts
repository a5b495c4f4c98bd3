/** What every route works with: the models, the limits, the counters. */
import type { Context } from "hono";
import { ApiError } from "./errors.ts";
import type { ModelHost } from "./host.ts";
import type { Metrics } from "./metrics.ts";

/** What one request may ask for at most. */
export interface Limits {
  /** Bytes of a body. */
  readonly body: number;
  /** Texts of a request. */
  readonly texts: number;
  readonly steps: number;
}

export interface Service {
  /** In the order that they were named in; the first is the one that requests without `model` get. */
  readonly hosts: ReadonlyMap<string, ModelHost>;
  readonly limits: Limits;
  readonly metrics: Metrics;
  /** Behind a proxy of ours: clients are told apart by the last address of X-Forwarded-For. */
  readonly trustProxy: boolean;
}

export function hostOf({ hosts }: Service, model: string | undefined): ModelHost {
  const host = model === undefined ? hosts.values().next().value : hosts.get(model);
  if (host) return host;
  const known = [...hosts.keys()].join(", ");
  throw new ApiError(404, `the model ${JSON.stringify(model)} does not exist here; there are ${known}`, {
    param: "model",
    code: "model_not_found",
  });
}

/** What an answer begins with; 404 for an unknown model. */
export const answerHead = (service: Service, model: string | undefined, prefix: string, object: string) => ({
  id: `${prefix}-${crypto.randomUUID()}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model: hostOf(service, model).id,
});

/** Whose turn it is in the queue: one address, one lane. */
export function laneOf(c: Context, { trustProxy }: Pick<Service, "trustProxy">): string {
  const forwarded = trustProxy ? c.req.header("x-forwarded-for")?.split(",").at(-1)?.trim() : undefined;
  const socket = (c.env as { incoming?: { socket?: { remoteAddress?: string } } } | undefined)?.incoming?.socket;
  return forwarded || socket?.remoteAddress || "local";
}
