/** POST /v1/completions, as OpenAI's clients speak it. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { random } from "../platform/random.ts";
import { post } from "./body.ts";
import { answerHead, type Service } from "./context.ts";
import { drawOptions, generate, requestSignal, type Ended } from "./generation.ts";
import type { GenerateJob } from "./protocol.ts";
import type { Body, Schemas } from "./schemas.ts";
import { respondWithEvents } from "./sse.ts";

interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
}

export const completions = (app: OpenAPIHono, service: Service, schemas: Schemas): void =>
  post(
    app,
    {
      path: "/v1/completions",
      summary: "Continue a text, or write what stands between two",
      description:
        "As OpenAI's clients expect it. Of OpenAI's own fields, those that are not listed are refused by name; steps, sampler and top_k are ours.",
      schema: schemas.completions,
      answers: { "application/json": "the texts", "text/event-stream": "with stream: chunks of text to append, then [DONE]" },
    },
    (c, body) => complete(c, service, body),
  );

/** Stream of the seeds of prompts. */
const PROMPT_STREAM = 0x70726f6d;

/** Of each prompt of a request: the first one's is the request's own, so that it gets the texts that it gets alone; equal prompts get different ones. */
const seedOfPrompt = (seed: number, p: number): number => (p === 0 ? seed : random(seed, PROMPT_STREAM, p).integer(2 ** 32));

async function complete(c: Context, service: Service, body: Body<"completions">): Promise<Response> {
  const { prompt, suffix = "", max_tokens = 16, n: count = 1, stop = [], echo, stream, stream_options } = body;
  const prompts = [prompt].flat();
  const stops = [stop].flat().filter((text) => text !== "");
  const options = drawOptions(body);
  const head = answerHead(service, body.model, "cmpl", "text_completion");
  const job = (text: string, p: number): GenerateJob => ({
    kind: "generate",
    ...options,
    seed: seedOfPrompt(options.seed, p),
    template: [text, { tokens: max_tokens }, suffix],
    count,
    show: stream || stops.length > 0 ? "settled" : "end",
    region: "holes",
  });
  const { signal, abort } = requestSignal(c);
  const usage: Usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  /** All prompts at once; what happens to the texts is told with their index among all. */
  const runAll = async (hear: {
    started?: () => void;
    text?: (index: number, text: string) => void;
    end?: (index: number, ended: Ended) => void;
  }) => {
    try {
      return await Promise.all(
        prompts.map(async (text, p) => {
          const written = await generate(c, service, {
            model: body.model,
            job: job(text, p),
            stops,
            signal,
            admitted: p > 0,
            onStarted: () => hear.started?.(),
            onText: (k, piece) => hear.text?.(p * count + k, piece),
            onEnd: (k, ended) => hear.end?.(p * count + k, ended),
          });
          usage.prompt_tokens += written.counts.given;
          usage.completion_tokens += written.counts.holes * count;
          usage.total_tokens = usage.prompt_tokens + usage.completion_tokens;
          return written.ended;
        }),
      );
    } catch (error) {
      abort(error); // the other prompts' jobs
      throw error;
    }
  };
  /** What stands before a text. */
  const echoOf = (index: number): string => (echo ? prompts[Math.floor(index / count)]! : "");
  const choice = (index: number, text: string, finish: string | null) => ({ text, index, logprobs: null, finish_reason: finish });

  if (!stream) {
    const ended = (await runAll({})).flat();
    const choices = ended.map(({ text, reason }, i) => choice(i, echoOf(i) + text, reason));
    return c.json({ ...head, choices, usage, seed: options.seed });
  }
  const withUsage = stream_options?.include_usage === true;
  const chunk = (choices: unknown[], total: Usage | null = null) => ({
    ...head,
    choices,
    ...(withUsage ? { usage: total } : {}),
    seed: options.seed,
  });
  return respondWithEvents(
    c,
    async ({ begin, send }) => {
      const echoed = new Set<number>();
      const withEcho = (index: number, text: string): string => {
        if (echoed.has(index)) return text;
        echoed.add(index);
        return echoOf(index) + text;
      };
      await runAll({
        started: begin,
        text: (index, text) => send(chunk([choice(index, withEcho(index, text), null)])),
        end: (index, { reason }) => send(chunk([choice(index, withEcho(index, ""), reason)])),
      });
      if (withUsage) send(chunk([], usage));
    },
    { doneMark: true, onGone: abort },
  );
}
