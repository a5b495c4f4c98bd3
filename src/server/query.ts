/** Questions to a model that have one answer: they take their turn in its queue as one row, and make their calls of the network beside those of the texts being written. */
import type { Context } from "hono";
import { hostOf, laneOf, type Service } from "./context.ts";
import { requestSignal } from "./generation.ts";
import type { QueryJob } from "./protocol.ts";

export async function answerQuery(c: Context, service: Service, model: string | undefined, job: QueryJob): Promise<Response> {
  const host = hostOf(service, model);
  const result = await host.run(job, { lane: laneOf(c, service), rows: 1, signal: requestSignal(c).signal });
  if (result.kind !== "query") throw new Error("the worker answered something else");
  return c.json({ ...result.answer, model: host.id });
}
