/** POST /infill, as llama.cpp's server has it and editors speak it. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { post } from "./body.ts";
import { hostOf, type Service } from "./context.ts";
import { drawOptions, generate, requestSignal, type Ended, type Generated, type GenerateOptions } from "./generation.ts";
import type { Counts, GenerateJob } from "./protocol.ts";
import type { Body, Schemas } from "./schemas.ts";
import { respondWithEvents } from "./sse.ts";

export const llamaInfill = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/infill",
      summary: "Write what stands between two texts (llama.cpp's form)",
      description:
        "For editors that speak to llama.cpp's server. Fields of its that are not listed, such as input_extra, samplers, n_indent or cache_prompt, are passed over.",
      schema: schemas.llama,
      answers: { "application/json": "the text", "text/event-stream": "with stream: pieces of it" },
    },
    (c, body) => fill(c, service, body),
  );

async function fill(c: Context, service: Service, body: Body<"llama">): Promise<Response> {
  const { input_prefix = "", prompt = "", input_suffix = "", n_predict = -1, seed = -1, top_k = 0, stop = [], stream } = body;
  const host = hostOf(service, body.model);
  const options = drawOptions({ ...body, seed: seed === -1 ? undefined : seed, top_k: top_k > 0 ? top_k : undefined });
  const stops = stop.filter((text) => text !== "");
  const job: GenerateJob = {
    kind: "generate",
    ...options,
    template: [input_prefix + prompt, { tokens: n_predict === -1 ? "rest" : n_predict }, input_suffix],
    count: 1,
    show: stream || stops.length > 0 ? "settled" : "end",
    region: "holes",
  };
  const { signal, abort } = requestSignal(c);
  const common = { model: body.model, job, stops, signal };
  const last = ({ by }: Ended, counts: Counts, content: string) => ({
    content,
    stop: true,
    model: host.id,
    stop_type: by,
    tokens_predicted: counts.holes,
    tokens_evaluated: counts.given,
    seed: options.seed,
  });
  // Nothing is asked of the model: there is no cache that it could fill.
  const write = async (hear: Partial<GenerateOptions>): Promise<Pick<Generated, "ended" | "counts">> =>
    n_predict === 0
      ? { ended: [{ text: "", reason: "length", by: "limit" }], counts: { given: 0, holes: 0 } }
      : generate(c, service, { ...common, ...hear });
  if (!stream) {
    const { ended, counts } = await write({});
    return c.json(last(ended[0]!, counts, ended[0]!.text));
  }
  return respondWithEvents(
    c,
    async ({ begin, send }) => {
      const { ended, counts } = await write({
        onStarted: begin,
        onText: (_, content) => send({ content, stop: false }),
      });
      send(last(ended[0]!, counts, ""));
    },
    { doneMark: false, onGone: abort },
  );
}
