/** POST /v1/laws: what a model makes of a noisy text, position by position. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { post } from "./body.ts";
import type { Service } from "./context.ts";
import { answerQuery } from "./query.ts";
import type { Schemas } from "./schemas.ts";

export const laws = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/laws",
      summary: "What each open position of a noisy text will become",
      description:
        "The law of the clean token at each MASK (absorb) or at every position (uniform) of tokens at total noise sigma: its entropy in nats and its likeliest tokens.",
      schema: schemas.laws,
      answers: { "application/json": "laws: position, entropy, top (token, text, probability)" },
    },
    (c, { model, ...ask }) => answerQuery(c, service, model, { kind: "laws", ...ask }),
  );
