/** /v1/completions as the `openai` client sees it. */
import OpenAI, { AuthenticationError, BadRequestError, NotFoundError } from "openai";
import { describe, expect, test } from "vitest";
import { load } from "../../src/model.ts";
import { serveTiny, type Served } from "./support.ts";

const clientOf = ({ address }: Served, apiKey = "none"): OpenAI => new OpenAI({ apiKey, baseURL: `${address}/v1`, maxRetries: 0 });
/** Our own fields go through the client as they are. */
const ask = { model: "tiny", max_tokens: 8, seed: 3, steps: 4 } as const;

test("plain, with a suffix, several texts, several prompts: what the model itself writes", async () => {
  const served = await serveTiny();
  const client = clientOf(served);
  const model = await load(served.folder, { threads: 1 });
  const alone = async (template: string, count = 1) => {
    const [before, after] = template.split("[[8]]") as [string, string];
    const samples = await model.infill(template, { seed: 3, steps: 4, count });
    return samples.map(({ text }) => text.slice(before.length, text.length - after.length));
  };

  const plain = await client.completions.create({ ...ask, prompt: "the king" });
  expect(plain).toMatchObject({
    object: "text_completion",
    model: "tiny",
    choices: [{ index: 0, text: (await alone("the king[[8]]"))[0], finish_reason: "length", logprobs: null }],
    usage: { prompt_tokens: 8, completion_tokens: 8, total_tokens: 16 },
    seed: 3,
  });

  const between = await client.completions.create({ ...ask, prompt: "a fox ", suffix: " glad.", echo: true });
  expect(between.choices[0]!.text).toBe(`a fox ${(await alone("a fox [[8]] glad."))[0]}`);

  const several = await client.completions.create({ ...ask, prompt: ["the fox", "a king"], n: 2 });
  expect(several.choices.map(({ index }) => index)).toEqual([0, 1, 2, 3]);
  expect(several.choices.slice(0, 2).map(({ text }) => text)).toEqual(await alone("the fox[[8]]", 2));
  for (const { text } of several.choices) expect(text).toHaveLength(8);

  const drawn = await client.completions.create({ model: "tiny", prompt: "", max_tokens: 5 });
  expect(drawn.choices[0]!.text).toHaveLength(5);
  expect(drawn).toHaveProperty("seed", expect.any(Number));
  // 8, 8, 4 texts of 8, and 5.
  expect(await (await fetch(`${served.address}/metrics`)).text()).toContain('sedd_written_tokens_total{model="tiny"} 53\n');
  await model.dispose();
});

test("equal prompts of one request get different texts, the same at every time; the first gets those that it gets alone", async () => {
  const client = clientOf(await serveTiny());
  const textsOf = async (prompt: string | string[]): Promise<string[]> =>
    (await client.completions.create({ ...ask, prompt, n: 2 })).choices.map(({ text }) => text);
  const together = await textsOf(["the king", "the king", "the king"]);
  expect(new Set(together).size).toBe(6);
  expect(await textsOf(["the king", "the king", "the king"])).toEqual(together);
  expect(await textsOf("the king")).toEqual(together.slice(0, 2));
  // What a prompt gets depends on its place, not on the others.
  expect((await textsOf(["a fox", "the king"])).slice(2)).toEqual(together.slice(2, 4));
});

test("a list of prompts that fits the limits is taken whole, however few may wait", async () => {
  const client = clientOf(await serveTiny({ rows: 1, queue: 0 }));
  const { choices } = await client.completions.create({ ...ask, prompt: ["the", "a", "king", "fox"] });
  expect(choices).toHaveLength(4);
});

test("requests that come together share calls of the network, and are answered as alone", async () => {
  const served = await serveTiny();
  const client = clientOf(served);
  const requests = Array.from({ length: 8 }, (_, i) => ({ ...ask, prompt: "the king".slice(0, i), seed: i, steps: 6 + i, max_tokens: 12 }));
  const together = await Promise.all(requests.map((request) => client.completions.create(request)));
  const alone: string[] = [];
  for (const request of requests) alone.push((await client.completions.create(request)).choices[0]!.text);
  expect(together.map(({ choices }) => choices[0]!.text)).toEqual(alone);
  const metrics = await (await fetch(`${served.address}/metrics`)).text();
  const [, alone1] = /sedd_network_call_requests_bucket\{le="1",model="tiny"\} (\d+)/.exec(metrics)!;
  const [, all] = /sedd_network_call_requests_count\{model="tiny"\} (\d+)/.exec(metrics)!;
  expect(Number(alone1)).toBeLessThan(Number(all));
});

describe("streams", () => {
  test("append to the text that comes without streaming; usage and [DONE] at the end", async () => {
    const client = clientOf(await serveTiny());
    const request = { ...ask, prompt: "they ", n: 2, max_tokens: 20, echo: true };
    const whole = await client.completions.create(request);
    const texts = ["", ""];
    const reasons: (string | null)[] = [];
    let usage: unknown;
    let chunks = 0;
    for await (const chunk of await client.completions.create({ ...request, stream: true, stream_options: { include_usage: true } })) {
      chunks++;
      for (const { index, text, finish_reason } of chunk.choices) {
        texts[index] += text;
        if (finish_reason) reasons.push(finish_reason);
      }
      usage = chunk.usage ?? usage;
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(reasons).toEqual(["length", "length"]);
    expect(usage).toEqual(whole.usage);
    expect(chunks).toBeGreaterThan(4); // not all at the end
  });

  test("under the uniform graph nothing is final before the end", async () => {
    const client = clientOf(await serveTiny({}, {}, "uniform"));
    const whole = await client.completions.create({ ...ask, prompt: "they" });
    const texts: string[] = [];
    for await (const { choices } of await client.completions.create({ ...ask, prompt: "they", stream: true })) texts.push(choices[0]!.text);
    expect(texts.filter((text) => text !== "")).toEqual([whole.choices[0]!.text]);
  });

  test("stop texts cut the result, streamed or not, and are not in it", async () => {
    const client = clientOf(await serveTiny());
    const request = { ...ask, prompt: "the ", max_tokens: 24 };
    const { text } = (await client.completions.create(request)).choices[0]!;
    const stop = text.slice(10, 12);
    const expected = text.slice(0, text.indexOf(stop));
    const cut = await client.completions.create({ ...request, stop });
    expect(cut.choices[0]).toMatchObject({ text: expected, finish_reason: "stop" });
    let streamed = "";
    for await (const { choices } of await client.completions.create({ ...request, stop: [stop], stream: true }))
      streamed += choices[0]!.text;
    expect(streamed).toBe(expected);
  });
});

describe("errors", () => {
  test("an unknown model, fields that are not supported, values that make no sense: named, with OpenAI's envelope", async () => {
    const client = clientOf(await serveTiny());
    const failing = (body: object) => client.completions.create({ ...ask, prompt: "a", ...body } as never).catch((error: unknown) => error);
    const unknown = await failing({ model: "gpt-5" });
    expect(unknown).toBeInstanceOf(NotFoundError);
    expect(unknown).toMatchObject({ status: 404, code: "model_not_found", param: "model", type: "invalid_request_error" });
    const wrong: [object, string, RegExp][] = [
      [{ logprobs: 3 }, "logprobs", /not supported/],
      [{ best_of: 2 }, "best_of", /not supported/],
      [{ logit_bias: { 5: 1 } }, "logit_bias", /not supported/],
      [{ frequency_penalty: 0.5 }, "frequency_penalty", /not supported/],
      [{ presence_penalty: 1 }, "presence_penalty", /not supported/],
      [{ prompt: [1, 2, 3] }, "prompt", /token ids/],
      [{ temperatur: 1 }, "temperatur", /no such field/],
      [{ temperature: 3 }, "temperature", /2/],
      [{ max_tokens: 0 }, "max_tokens", /1/],
      [{ n: 17 }, "n", /16/],
      [{ stream_options: {} }, "stream_options", /stream/],
      [{ seed: -1 }, "seed", /0 or more; leave it out/],
      [{ top_p: 0 }, "top_p", /more than 0; for the likeliest token alone give temperature 0/],
      [{ stop: ["a", ""] }, "stop.1", /1/],
    ];
    for (const [body, param, message] of wrong) {
      const error = await failing(body);
      expect(error, param).toBeInstanceOf(BadRequestError);
      expect(error).toMatchObject({ param });
      expect((error as Error).message).toMatch(message);
    }
    // Found only once it is laid out, streamed or not.
    for (const stream of [false, true]) expect(await failing({ max_tokens: 5000, stream })).toBeInstanceOf(BadRequestError);
    // Neutral values pass.
    const [plain] = (await client.completions.create({ ...ask, prompt: "a" })).choices;
    for (const neutral of [
      { best_of: 1, logprobs: null, frequency_penalty: 0, logit_bias: null },
      { stop: [] },
      { stop: "" },
      { top_p: 1 },
    ])
      expect((await client.completions.create({ ...ask, prompt: "a", ...neutral })).choices, JSON.stringify(neutral)).toEqual([plain]);
    const stream = await client.completions.create({ ...ask, prompt: "a", stream: true, stream_options: { include_obfuscation: false } });
    let streamed = "";
    for await (const { choices } of stream) streamed += choices[0]!.text;
    expect(streamed).toBe(plain!.text);
  });

  test("a request that took too long is not sent again by the client itself", async () => {
    const { address } = await serveTiny({ timeLimit: 0.2 });
    const client = new OpenAI({ apiKey: "none", baseURL: `${address}/v1`, maxRetries: 2 });
    const slow = client.completions.create({ model: "tiny", prompt: "the", max_tokens: 250, steps: 4096, n: 16 } as never);
    await expect(slow).rejects.toMatchObject({ status: 504, code: "timeout" });
    expect(await (await fetch(`${address}/metrics`)).text()).toContain(
      'sedd_http_requests_total{route="/v1/completions",status="504"} 1\n',
    );
  });

  test("a key is asked for where there is one", async () => {
    const served = await serveTiny({ apiKey: "a-long-secret" });
    const request = { ...ask, prompt: "a" };
    await expect(clientOf(served, "a-long-secreT").completions.create(request)).rejects.toBeInstanceOf(AuthenticationError);
    expect((await clientOf(served, "a-long-secret").completions.create(request)).choices).toHaveLength(1);
    expect((await fetch(`${served.address}/health`)).status).toBe(200);
    expect((await fetch(`${served.address}/metrics`)).status).toBe(401);
  });
});
