/** POST /v1/infill: texts with holes anywhere, at once, as they settle, or as they diffuse. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { post } from "./body.ts";
import { answerHead, type Service } from "./context.ts";
import { drawOptions, generate, requestSignal } from "./generation.ts";
import type { GenerateJob } from "./protocol.ts";
import type { Body, Schemas } from "./schemas.ts";
import { respondWithEvents } from "./sse.ts";

export const infill = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/infill",
      summary: "Fill the holes of a text",
      description:
        "What is given comes back unchanged. Streams say { type: text | snapshot | end | done }: text is appended to its index, a snapshot (diffusing: true) replaces it.",
      schema: schemas.infill,
      answers: { "application/json": "the texts", "text/event-stream": "with stream: events, then [DONE]" },
    },
    (c, body) => fill(c, service, body),
  );

async function fill(c: Context, service: Service, body: Body<"infill">): Promise<Response> {
  const { template, spans, n, length, stream, diffusing } = body;
  const options = drawOptions(body);
  const job: GenerateJob = {
    kind: "generate",
    ...options,
    template: template ?? spans!,
    length: length ?? undefined,
    count: n ?? 1,
    show: stream ? (diffusing ? "snapshots" : "settled") : "end",
    region: "all",
  };
  const head = answerHead(service, body.model, "infill", "infill");
  const { signal, abort } = requestSignal(c);
  const common = { model: body.model, job, signal };
  const result = ({ ended, counts, tokens = [], steps, lengths }: Awaited<ReturnType<typeof generate>>) => ({
    ...head,
    texts: ended.map(({ text }, index) => ({ index, text, tokens: tokens[index] })),
    seed: options.seed,
    steps,
    ...(lengths ? { lengths } : {}),
    usage: { given_tokens: counts.given, written_tokens: counts.holes * job.count },
  });
  if (!stream) return c.json(result(await generate(c, service, common)));
  return respondWithEvents(
    c,
    async ({ begin, send }) => {
      const written = await generate(c, service, {
        ...common,
        onStarted: begin,
        onText: (index, text) => {
          if (!diffusing) send({ type: "text", index, text });
        },
        onEnd: (index, { text }) => send({ type: "end", index, text }),
        onSnapshot: ({ sequence, ...snapshot }) => send({ index: sequence, ...snapshot }, `snapshot ${sequence}`),
      });
      send({ type: "done", ...result(written) });
    },
    { doneMark: true, onGone: abort },
  );
}
