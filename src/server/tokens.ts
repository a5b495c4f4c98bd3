/** POST /v1/tokens: a text as tokens, and what each token stands for. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { post } from "./body.ts";
import type { Service } from "./context.ts";
import { answerQuery } from "./query.ts";
import type { Schemas } from "./schemas.ts";

export const tokens = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/tokens",
      summary: "A text as tokens, or tokens as texts",
      description:
        "Each of texts is that of one token alone: a part of a character shows as U+FFFD, MASK (the vocabulary's size) as \u2581. Of text, the tokens together, characters are whole.",
      schema: schemas.tokens,
      answers: { "application/json": "tokens; texts, one for each; text, that of all" },
    },
    (c, { model, ...ask }) => answerQuery(c, service, model, { kind: "tokens", ...ask }),
  );
