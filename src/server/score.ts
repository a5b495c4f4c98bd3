/** POST /v1/score: probability queries. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { post } from "./body.ts";
import { hostOf, laneOf, type Service } from "./context.ts";
import { requestSignal } from "./generation.ts";
import type { Schemas } from "./schemas.ts";

export const score = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/score",
      summary: "How likely a piece of text is in its place",
      description:
        "The bound on -log p of the text in brackets given the rest, and the law at each of its positions; or candidates for the place, the likeliest first.",
      schema: schemas.score,
      answers: { "application/json": "what `sedd score --json` prints" },
    },
    async (c, body) => {
      const { template, candidates, samples, seed, top, length } = body;
      const host = hostOf(service, body.model);
      const job = {
        kind: "score",
        template,
        candidates: candidates ?? undefined,
        samples: samples ?? 64,
        seed: seed ?? 0,
        top: top ?? undefined,
        length: length ?? undefined,
      } as const;
      const { signal } = requestSignal(c);
      // It makes its own calls of the network, beside those of the texts being written; as one row it takes its turn among them.
      const result = await host.run(job, { lane: laneOf(c, service), rows: 1, signal });
      if (result.kind !== "score") throw new Error("the worker answered something else");
      return c.json({ ...result.score, model: host.id });
    },
  );
