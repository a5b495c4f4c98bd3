/** POST /v1/score: probability queries. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { post } from "./body.ts";
import type { Service } from "./context.ts";
import { answerQuery } from "./query.ts";
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
    (c, { model, ...ask }) => answerQuery(c, service, model, { kind: "score", ...ask }),
  );
