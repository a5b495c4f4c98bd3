/** POST /v1/infill: texts with holes anywhere, at once, as they settle, or as they diffuse. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { post } from "./body.ts";
import { answerHead, type Service } from "./context.ts";
import { drawOptions, generate, requestSignal, type Generated } from "./generation.ts";
import type { GenerateJob, JobEvent, Step } from "./protocol.ts";
import type { Body, Schemas } from "./schemas.ts";
import { respondWithEvents } from "./sse.ts";

export const infill = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/infill",
      summary: "Fill the holes of a text",
      description:
        "What is given comes back unchanged. Streams say { type: text | snapshot | end | done }: text is appended to its index, a snapshot (diffusing: true) replaces it. With record: true the answer, or done, has recording: the text of a file for sedd replay.",
      schema: schemas.infill,
      answers: { "application/json": "the texts", "text/event-stream": "with stream: events, then [DONE]" },
    },
    (c, body) => fill(c, service, body),
  );

async function fill(c: Context, service: Service, body: Body<"infill">): Promise<Response> {
  const { template, spans, n = 1, length, stream, diffusing, record } = body;
  const options = drawOptions(body);
  const job: GenerateJob = {
    kind: "generate",
    ...options,
    template: template ?? spans!,
    length,
    count: n,
    show: stream ? (diffusing ? "snapshots" : "settled") : "end",
    record,
    region: "all",
  };
  const head = answerHead(service, body.model, "infill", "infill");
  const { signal, abort } = requestSignal(c);
  const common = { model: body.model, job, signal };
  const result = ({ ended, counts, tokens = [], ...rest }: Generated) => ({
    ...head,
    texts: ended.map(({ text }, index) => ({ index, text, tokens: tokens[index] })),
    seed: options.seed,
    ...rest,
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
        // The first one is never replaced: the steps of a recorded run go on from it.
        onSnapshot: ({ sequence, ...snapshot }) =>
          send({ index: sequence, ...snapshot }, snapshot.step === 0 ? undefined : `snapshot ${sequence}`, instead),
      });
      send({ type: "done", ...result(written) });
    },
    { doneMark: true, onGone: abort },
  );
}

type Snapshot = Omit<Extract<JobEvent, { type: "snapshot" }>, "sequence"> & { readonly index: number };

/** What replaces a snapshot that was not read in time. Of a recorded run it tells that one's steps, too. */
const instead = (missed: Snapshot, next: Snapshot): Snapshot =>
  missed.between && next.between ? { ...next, between: [...missed.between, stepOf(missed), ...next.between] } : next;

const stepOf = ({ step, time, sigma, tokens, changed, probability }: Snapshot): Step => ({
  ...{ step, time, sigma },
  changes: changed.map((position, j) => ({ position, token: tokens[position]!, probability: probability[j]! })),
});
