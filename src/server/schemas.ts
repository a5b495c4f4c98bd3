/**
 * What requests may hold. Strict: a field that is not here is refused by name. Fields of OpenAI's that mean nothing to a diffusion are named, so that the refusal
 * can say so; their neutral values pass. The one exception is llama.cpp's form: its clients are editors, which send knobs of that engine at every request.
 */
import { z } from "@hono/zod-openapi";
import { samplerNames } from "../diffusion/sampler.ts";
import type { Given } from "./body.ts";
import type { Limits } from "./context.ts";

/** A field that only passes where it changes nothing. */
const unsupported = (neutral: z.ZodType | undefined, why: string) => {
  const error = `not supported: ${why}`;
  return (neutral ? z.union([neutral, z.null()], { error }) : z.null({ error }))
    .optional()
    .openapi({ description: `Not supported: ${why}.` });
};
const whole = (least: number, most: number) => z.int().min(least).max(most);

const model = z.string().nullish().openapi({ description: "One of /v1/models; the first of them if left out." });
const seed = z
  .int()
  .min(0, { error: "0 or more; leave it out and one is drawn" })
  .nullish()
  .openapi({ description: "The same seed gives the same texts; drawn and returned if left out." });
const temperature = z
  .number()
  .min(0)
  .max(2)
  .nullish()
  .openapi({ description: "Of each token, given that it is written; 1, the default, is the model's own law, 0 takes the likeliest." });
const topP = z
  .number()
  .gt(0, { error: "more than 0; for the likeliest token alone give temperature 0" })
  .max(1)
  .nullish()
  .openapi({ description: "Only the likeliest tokens that together have this probability." });
const topK = whole(1, Number.MAX_SAFE_INTEGER).nullish().openapi({ description: "Only the k likeliest tokens." });
const stop = z
  .union([z.string(), z.array(z.string().min(1)).max(4)])
  .nullish()
  .openapi({ description: "Texts (up to 4) at which the result is cut; they are not in it. An empty text or list is none." });
const stream = z.boolean().nullish();
const sampler = z.enum(samplerNames).nullish();
const tokenCount = whole(1, 65_536);
const tokenIds = z.array(whole(0, 2 ** 31 - 1)).max(65_536);

const text = z.string().refine((value) => !/\p{Surrogate}/u.test(value), { error: "half of a surrogate pair; texts are Unicode" });

export const schemasOf = (limits: Limits) => {
  const steps = whole(1, limits.steps)
    .nullish()
    .openapi({ description: "Denoising steps, default 128; for first-hitting the most network calls." });
  const n = whole(1, limits.texts).nullish().openapi({ description: "Texts, default 1. Text i depends on the seed and i, not on n." });
  return {
    completions: z
      .strictObject({
        model,
        prompt: z
          .union([text, z.array(text).min(1).max(limits.texts)], {
            error: "expected a text or a list of texts; token ids are not supported",
          })
          .openapi({
            description:
              "What each text begins with; a list gives n texts for each, in its order. Its first one gets the texts that it gets alone, later ones those of other seeds, so that equal prompts give different texts.",
          }),
        suffix: text.nullish().openapi({ description: "What follows the text; it is written to fit both sides." }),
        max_tokens: tokenCount.nullish().openapi({ description: "Tokens to write, default 16: a diffusion writes them all at once." }),
        n,
        seed,
        temperature,
        top_p: topP,
        stop,
        echo: z.boolean().nullish().openapi({ description: "The prompt stands before the text." }),
        stream: stream.openapi({ description: "Server-sent events; text comes as soon as everything before it is final." }),
        // Obfuscation is padding against those who measure a stream's pieces; there is none to leave out.
        stream_options: z.strictObject({ include_usage: z.boolean().nullish(), include_obfuscation: z.boolean().nullish() }).nullish(),
        steps,
        sampler,
        top_k: topK,
        best_of: unsupported(z.literal(1), "ask for n texts and judge them with /v1/score"),
        logprobs: unsupported(undefined, "use /v1/score for probabilities"),
        logit_bias: unsupported(
          z.looseObject({}).refine((bias) => Object.keys(bias).length === 0, { error: "not supported: there is no bias of tokens" }),
          "there is no bias of tokens",
        ),
        frequency_penalty: unsupported(z.literal(0), "tokens are written in any order, not after one another"),
        presence_penalty: unsupported(z.literal(0), "tokens are written in any order, not after one another"),
        user: unsupported(undefined, "the server keeps no accounts"),
      })
      .refine(({ stream, stream_options }) => stream || !stream_options, { path: ["stream_options"], error: "only with stream: true" })
      .refine(({ prompt, n }) => typeof prompt === "string" || prompt.length * (n ?? 1) <= limits.texts, {
        path: ["n"],
        error: `prompts × n must be at most ${limits.texts}`,
      }),

    infill: z
      .strictObject({
        model,
        template: text.optional().openapi({
          description:
            "Text with holes: [[24]] of 24 tokens, [[8-24]] of a length the model chooses, [[ ]] of what is left of length; \\[[ is literal.",
        }),
        spans: z
          .array(
            z.union([
              text,
              z.strictObject({ given: tokenIds }),
              z.strictObject({ tokens: z.union([tokenCount, z.literal("rest"), z.strictObject({ min: tokenCount, max: tokenCount })]) }),
            ]),
          )
          .min(1)
          .max(4096)
          .optional()
          .openapi({ description: "The same as a list of texts, holes and given token ids, in which no bracket needs quoting." }),
        length: tokenCount
          .nullish()
          .openapi({ description: "Tokens in all, for holes that take what is left; default the model's length." }),
        steps,
        sampler,
        n,
        seed,
        temperature,
        top_p: topP,
        top_k: topK,
        stream: stream.openapi({ description: "Server-sent events: text to append, as soon as everything before it is final." }),
        diffusing: z.boolean().nullish().openapi({ description: "With stream: the whole text after each step instead, to be replaced." }),
        record: z
          .boolean()
          .nullish()
          .openapi({ description: "The answer, or a stream's done, has the run as a file for sedd replay; snapshots leave out no step." }),
      })
      .refine(({ template, spans }) => (template === undefined) !== (spans === undefined), {
        path: ["template"],
        error: "give either template or spans",
      })
      .refine(({ stream, diffusing }) => stream || !diffusing, { path: ["diffusing"], error: "only with stream: true" }),

    llama: z.object({
      model,
      input_prefix: text.nullish().openapi({ description: "What stands before the text." }),
      prompt: text.nullish().openapi({ description: "Stands after input_prefix: editors send the line of the cursor, up to it." }),
      input_suffix: text.nullish().openapi({ description: "What stands after the text." }),
      n_predict: whole(-1, 65_536)
        .nullish()
        .openapi({ description: "Tokens; -1, the default, fills up to the model's length; 0 writes nothing: editors fill a cache so." }),
      seed: whole(-1, Number.MAX_SAFE_INTEGER).nullish().openapi({ description: "-1, the default, draws one; it is in the answer." }),
      temperature,
      top_p: topP,
      top_k: z.int().nullish().openapi({ description: "Only the k likeliest tokens; 0 or less: all." }),
      stop: z
        .array(z.string())
        .max(64)
        .nullish()
        .openapi({ description: "Texts at which the result is cut; they are not in it. Empty ones are passed over." }),
      stream,
      steps,
      sampler,
    }),

    score: z
      .strictObject({
        model,
        template: text.openapi({ description: "Text with [[ a span to judge]]; [[3]] is a hole, whose laws are told." }),
        candidates: z
          .array(z.union([text, z.array(text).min(1).max(64)]))
          .min(1)
          .max(64)
          .nullish()
          .openapi({ description: "Texts to rank in the span's place; for several spans, a list for each candidate." }),
        samples: whole(2, 1024).nullish().openapi({ description: "Noisy copies, default 64." }),
        seed: seed.openapi({ description: "Of the noise, default 0, so that scores compare." }),
        top: whole(0, 100).nullish().openapi({ description: "Likeliest tokens to list at each position, default 5." }),
        length: tokenCount.nullish(),
      })
      .refine(({ candidates, top }) => !candidates || top === undefined || top === null, { path: ["top"], error: "not with candidates" }),

    likelihood: z.strictObject({
      model,
      text: text.min(1),
      samples: whole(2, 1024).nullish().openapi({ description: "Noisy copies of each window, default 8." }),
      seed: seed.openapi({ description: "Of the noise, default 0, so that texts compare." }),
    }),

    laws: z.strictObject({
      model,
      tokens: tokenIds.min(1).openapi({ description: "Token ids; under absorb, the vocabulary's size is MASK." }),
      // At σ = 20 two tokens in a thousand million are no noise: 1000 is for those who write "infinite".
      sigma: z.number().positive().max(1000).openapi({ description: "Total noise of the text, as snapshots have it; at most 1000." }),
      positions: z
        .array(whole(0, 65_535))
        .max(65_536)
        .nullish()
        .openapi({ description: "Positions to ask about, each once; default every one that has a law." }),
      top: whole(0, 100).nullish().openapi({ description: "Likeliest tokens to list at each position, default 8." }),
    }),

    tokens: z
      .strictObject({
        model,
        text: text.optional().openapi({ description: "A text to encode." }),
        tokens: tokenIds.optional().openapi({ description: "Token ids whose texts are wanted." }),
      })
      .refine(({ text, tokens }) => (text === undefined) !== (tokens === undefined), {
        path: ["text"],
        error: "give either text or tokens",
      }),
  };
};

export type Schemas = ReturnType<typeof schemasOf>;
export type Body<K extends keyof Schemas> = Given<z.output<Schemas[K]>>;
