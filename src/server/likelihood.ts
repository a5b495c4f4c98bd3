/** POST /v1/likelihood: how likely a whole text is. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { post } from "./body.ts";
import type { Service } from "./context.ts";
import { answerQuery } from "./query.ts";
import type { Schemas } from "./schemas.ts";

export const likelihood = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/likelihood",
      summary: "The bound on -log p of a text",
      description:
        "In windows of the model's length, with every term and the standard error over the noise; docs/theory.md says what is in it.",
      schema: schemas.likelihood,
      answers: { "application/json": "what `sedd eval --json` prints of a file" },
    },
    (c, { model, ...ask }) => answerQuery(c, service, model, { kind: "likelihood", ...ask }),
  );
