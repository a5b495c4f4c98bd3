/** The routes that are ours or llama.cpp's, the ones for machines, and what no answer may hold. */
import { expect, test } from "vitest";
import { load } from "../../src/model.ts";
import type { SampleOptions } from "../../src/objectives/sedd-model.ts";
import type { Connection, FromWorker } from "../../src/server/protocol.ts";
import { eventsOf, inThread, raw, serveTiny } from "./support.ts";

interface Texts {
  readonly texts: readonly { readonly text: string; readonly tokens: number[] }[];
}

test("/v1/infill: template and spans say the same; a stream settles, or diffuses, to it", async () => {
  const served = await serveTiny();
  const model = await load(served.folder, { threads: 1 });
  const [sample] = await model.infill("the [[6]] saw [[4]].", { seed: 5, steps: 8 });
  await model.dispose();
  const settings = { seed: 5, steps: 8 };
  const expected = {
    texts: [{ index: 0, text: sample!.text, tokens: sample!.tokens }],
    seed: 5,
    usage: { given_tokens: 10, written_tokens: 10 },
  };
  const template = { ...settings, template: "the [[6]] saw [[4]]." };
  expect(await (await served.post("/v1/infill", template)).json()).toMatchObject(expected);
  const spans = { ...settings, spans: ["the ", { tokens: 6 }, " saw ", { tokens: 4 }, "."] };
  expect(await (await served.post("/v1/infill", spans)).json()).toMatchObject(expected);

  const settled = (await eventsOf(await served.post("/v1/infill", { ...template, stream: true }))) as { type: string; text: string }[];
  expect(settled.at(-1)).toBe("[DONE]");
  expect(settled.at(-2)).toMatchObject({ type: "done", ...expected });
  const pieces = settled.filter(({ type }) => type === "text").map(({ text }) => text);
  expect(pieces[0]!.startsWith("the ")).toBe(true);
  expect(pieces.join("")).toBe(sample!.text);

  const diffused = (await eventsOf(await served.post("/v1/infill", { ...template, stream: true, diffusing: true }))) as Record<
    string,
    unknown
  >[];
  const snapshots = diffused.filter(({ type }) => type === "snapshot");
  expect(snapshots[0]).toMatchObject({ step: 0, steps: 8 });
  expect(snapshots.at(-1)).toMatchObject({ text: sample!.text, tokens: sample!.tokens });
  for (const snapshot of snapshots)
    expect(Object.keys(snapshot)).toEqual(expect.arrayContaining(["sigma", "time", "changed", "probability"]));
  expect((await served.post("/v1/infill", { template: "a[[2]]", spans: ["a"] })).status).toBe(400);
  expect((await served.post("/v1/infill", { template: "a [[nothing]]" })).status).toBe(400);
});

test("/infill: llama.cpp's form", async () => {
  const served = await serveTiny();
  const ask = { input_prefix: "the ", input_suffix: " fox", n_predict: 6, seed: 2, steps: 4 };
  const whole = (await (await served.post("/infill", ask)).json()) as { content: string };
  expect(whole).toMatchObject({ stop: true, stop_type: "limit", tokens_predicted: 6, tokens_evaluated: 8, model: "tiny" });
  expect(whole.content).toHaveLength(6);
  const pieces = (await eventsOf(await served.post("/infill", { ...ask, stream: true }))) as { content: string; stop: boolean }[];
  expect(pieces.map(({ content }) => content).join("")).toBe(whole.content);
  expect(pieces.map(({ stop }) => stop)).toEqual([...pieces.slice(1).map(() => false), true]);
  const filling = (await (await served.post("/infill", { input_prefix: "the king" })).json()) as { tokens_predicted: number };
  expect(filling.tokens_predicted).toBe(24); // up to the model's 32
});

/** What llama.vim sends: at a pause in typing, and to have its collected snippets read beforehand. */
const llamaVim = {
  input_prefix: "the king\n",
  input_suffix: "\nand the fox\n",
  input_extra: [{ text: "a fox\n", time: [1754, 12], filename: "tale.txt" }],
  prompt: "saw ",
  n_predict: 6,
  stop: [],
  n_indent: 0,
  top_k: 40,
  top_p: 0.99,
  samplers: ["top_k", "top_p", "infill"],
  stream: false,
  cache_prompt: true,
  t_max_prompt_ms: 500,
  t_max_predict_ms: 1000,
  response_fields: ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "tokens_cached"],
};

test("/infill: what an editor sends is taken, the line of the cursor as the end of what stands before", async () => {
  const served = await serveTiny();
  const answer = async (body: object): Promise<{ content: string }> => {
    const response = await served.post("/infill", body);
    expect(response.status, await response.clone().text()).toBe(200);
    return (await response.json()) as { content: string };
  };
  const settings = { seed: 2, steps: 4 };
  const suggestion = await answer({ ...llamaVim, ...settings });
  expect(suggestion).toMatchObject({ content: expect.any(String), stop_type: "limit", tokens_predicted: 6, tokens_evaluated: 26 });
  const { input_suffix, n_predict, top_p } = llamaVim;
  expect(suggestion).toEqual(await answer({ ...settings, input_prefix: "the king\nsaw ", input_suffix, n_predict, top_k: 40, top_p }));
  // llama.cpp's words for "no limit", "any" and "none".
  const plain = { ...settings, input_prefix: "the ", n_predict: 6 };
  for (const nothing of [{ top_k: 0 }, { top_k: -1 }, { stop: [""] }, { stop: null }, { input_suffix: null }])
    expect(await answer({ ...plain, ...nothing }), JSON.stringify(nothing)).toEqual(await answer(plain));
  expect(await answer({ ...plain, seed: -1 })).toHaveProperty("seed", expect.any(Number));
  expect((await served.post("/infill", { ...plain, top_p: "much" })).status).toBe(400);

  const warming = { input_prefix: "", input_suffix: "", prompt: "", n_predict: 0, temperature: 0, samplers: [], response_fields: [""] };
  const nothing = { content: "", stop: true, tokens_predicted: 0 };
  expect(await answer({ ...llamaVim, ...warming })).toMatchObject(nothing);
  expect(await eventsOf(await served.post("/infill", { ...warming, stream: true }))).toMatchObject([nothing]);
});

test("/v1/score: what model.score and model.rank say", async () => {
  const served = await serveTiny();
  const model = await load(served.folder, { threads: 1 });
  const template = "the[[ king]] saw";
  const [score, ranking] = [await model.score(template, { samples: 4 }), await model.rank(template, [" fox", " king"], { samples: 4 })];
  await model.dispose();
  expect(await (await served.post("/v1/score", { template, samples: 4 })).json()).toEqual({ ...score, model: "tiny" });
  expect(await (await served.post("/v1/score", { template, samples: 4, candidates: [" fox", " king"] })).json()).toEqual({
    ...ranking,
    model: "tiny",
  });
});

test("/v1/infill: given tokens come back as they are; snapshots say what is given", async () => {
  const served = await serveTiny();
  const settings = { seed: 5, steps: 4 };
  const [text] = ((await (await served.post("/v1/infill", { ...settings, template: "the [[6]]" })).json()) as Texts).texts;
  const spans = [{ given: text!.tokens.slice(0, 6) }, { tokens: 2 }, { given: text!.tokens.slice(8) }, " fox"];
  const again = (await (await served.post("/v1/infill", { ...settings, seed: 6, spans })).json()) as Texts;
  expect(again).toMatchObject({ usage: { given_tokens: 12, written_tokens: 2 } });
  expect(again.texts[0]!.tokens.slice(0, 10).toSpliced(6, 2)).toEqual(text!.tokens.toSpliced(6, 2));
  expect(again.texts[0]!.text.endsWith(" fox")).toBe(true);
  const streamed = await eventsOf(await served.post("/v1/infill", { ...settings, seed: 6, spans, stream: true, diffusing: true }));
  expect(streamed[0]).toMatchObject({
    type: "snapshot",
    spans: [6, 8, 10, 14].map((end, k) => ({ begin: [0, 6, 8, 10][k], end, given: k !== 1 })),
  });
  for (const given of [[99], [-1], [0.5], ["a"]]) expect((await served.post("/v1/infill", { spans: [{ given }] })).status).toBe(400);
});

test("/v1/likelihood: what model.likelihood says", async () => {
  const served = await serveTiny();
  const model = await load(served.folder, { threads: 1 });
  const text = "the fox and the king";
  const likelihood = await model.likelihood(text, { samples: 4, seed: 3 });
  await model.dispose();
  expect(await (await served.post("/v1/likelihood", { text, samples: 4, seed: 3 })).json()).toEqual({ ...likelihood, model: "tiny" });
  for (const wrong of [{}, { text: "" }, { text, samples: 1 }, { text, template: text }])
    expect((await served.post("/v1/likelihood", wrong)).status, JSON.stringify(wrong)).toBe(400);
});

test("/v1/laws: what model.laws says; /v1/tokens: a text as tokens, and back", async () => {
  const served = await serveTiny();
  const model = await load(served.folder, { threads: 1 });
  const { tokenizer } = model;
  const tokens = [...tokenizer.encode("the "), tokenizer.size, tokenizer.size];
  const laws = await model.laws(tokens, 1.5, { top: 3 });
  await model.dispose();
  const ask = { tokens, sigma: 1.5, top: 3 };
  expect(await (await served.post("/v1/laws", ask)).json()).toEqual({ laws, model: "tiny" });
  expect(await (await served.post("/v1/laws", { ...ask, positions: [5] })).json()).toEqual({ laws: laws.slice(1), model: "tiny" });
  // e^σ is no float64 here, and a law is a law all the same.
  const { laws: atLast } = (await (await served.post("/v1/laws", { ...ask, sigma: 1000, top: 100 })).json()) as { laws: typeof laws };
  for (const { entropy, top } of atLast) {
    expect(entropy).toBeGreaterThan(0);
    expect(top.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 6);
  }
  for (const wrong of [
    { sigma: 0 },
    { sigma: 1001 },
    { tokens: [] },
    { tokens: [99] },
    { positions: [0] },
    { positions: [6] },
    { top: 101 },
  ])
    expect((await served.post("/v1/laws", { ...ask, ...wrong })).status, JSON.stringify(wrong)).toBe(400);

  const texts = [..."the ▁▁"];
  const both = { tokens, texts, text: "the ▁▁", model: "tiny" };
  expect(await (await served.post("/v1/tokens", { tokens })).json()).toEqual(both);
  expect(await (await served.post("/v1/tokens", { text: "the " })).json()).toMatchObject({ tokens: tokens.slice(0, 4) });
  for (const wrong of [{}, { text: "a", tokens: [] }, { tokens: [tokenizer.size + 1] }, { text: "ÄÖ" }])
    expect((await served.post("/v1/tokens", wrong)).status, JSON.stringify(wrong)).toBe(400);
});

test("for machines: models, readiness, the document and its page; headers that keep browsers careful", async () => {
  const { address } = await serveTiny();
  const json = async (path: string): Promise<unknown> => (await fetch(address + path)).json();
  expect(await json("/v1/models")).toMatchObject({ object: "list", data: [{ id: "tiny", object: "model", length: 32 }] });
  const { vocabulary, mask, ...rest } = (await json("/v1/models/tiny")) as Record<string, number>;
  expect(mask).toBe(vocabulary);
  expect(rest).toMatchObject({ longest: 256, objective: "sedd", limits: { steps: 4096, texts: 16 } });
  expect(await json("/v1/models/tiny")).toMatchObject({ id: "tiny" });
  expect((await fetch(`${address}/v1/models/other`)).status).toBe(404);
  expect(await json("/health")).toEqual({ status: "ok" });
  expect(await json("/ready")).toEqual({ status: "ready" });
  const document = (await json("/openapi.json")) as { openapi: string; paths: Record<string, unknown> };
  expect(document.openapi).toBe("3.1.0");
  expect(Object.keys(document.paths)).toEqual(
    expect.arrayContaining(["/v1/completions", "/v1/infill", "/infill", "/v1/score", "/v1/models"]),
  );
  const page = await fetch(`${address}/docs`);
  const html = await page.text();
  for (const path of Object.keys(document.paths)) expect(html).toContain(path);
  expect(html).not.toMatch(/<script|src=|https?:/);
  expect(Object.fromEntries(page.headers)).toMatchObject({
    "content-security-policy": expect.stringContaining("default-src 'none'"),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-embedder-policy": "require-corp",
    "x-content-type-options": "nosniff",
  });
  expect(page.headers.has("access-control-allow-origin")).toBe(false);
});

test("pages of other origins: those that are named, with whatever headers a client adds; or all", async () => {
  const page = "https://page.example";
  const served = await serveTiny({ corsOrigin: [page], apiKey: "a-long-secret", rows: 1, queue: 0 });
  const headersOf = async (address: string, origin: string, init: RequestInit & { headers?: Record<string, string> } = {}) =>
    Object.fromEntries(
      (await fetch(`${address}/v1/completions`, { ...init, headers: { origin, "content-type": "application/json", ...init.headers } }))
        .headers,
    );
  const asked = "authorization,content-type,x-stainless-lang,x-stainless-retry-count";
  const preflight = {
    method: "OPTIONS",
    headers: { "access-control-request-method": "POST", "access-control-request-headers": asked },
  };
  const allowed = await headersOf(served.address, page, preflight);
  expect(allowed).toMatchObject({ "access-control-allow-origin": page, "access-control-allow-headers": asked });
  expect(allowed).not.toHaveProperty("access-control-allow-credentials");
  expect(await headersOf(served.address, "https://other.example", preflight)).not.toHaveProperty("access-control-allow-origin");
  // Of an error, too, the page may know what it is, and when to try again.
  expect(await headersOf(served.address, page, { method: "POST", body: "{}" })).toMatchObject({
    "access-control-allow-origin": page,
    "access-control-expose-headers": "retry-after,x-should-retry",
  });
  const open = await serveTiny({ corsOrigin: ["*"] });
  expect(await headersOf(open.address, page, preflight)).toMatchObject({ "access-control-allow-origin": "*" });
});

test("wrong requests: envelope, status, and nothing of the inside", async () => {
  const served = await serveTiny({ bodyLimit: 1024 });
  const failures: [number, Promise<Response>][] = [
    [404, fetch(`${served.address}/v1/chat/completions`)],
    [413, served.post("/v1/completions", { prompt: "a".repeat(2000) })],
    [415, served.post("/v1/completions", {}, { headers: { "content-type": "text/plain" } })],
    [400, served.post("/v1/completions", undefined, { body: "{" })],
    [400, served.post("/v1/completions", [])],
    [400, served.post("/v1/completions", { prompt: "ÄÖ" })], // characters the tiny model cannot spell
  ];
  for (const [status, failing] of failures) {
    const response = await failing;
    const text = await response.text();
    expect([response.status, text]).toEqual([status, expect.any(String)]);
    expect(JSON.parse(text)).toEqual({
      error: {
        message: expect.any(String),
        type: "invalid_request_error",
        param: expect.toSatisfy((p) => p === null || typeof p === "string"),
        code: expect.toSatisfy((p) => p === null || typeof p === "string"),
      },
    });
    expect(text).not.toContain(served.folder);
    expect(text).not.toMatch(/\.ts|\.js|at .*:\d+:\d+/);
  }
  // A name that a page of the internet had made to point here.
  expect((await raw(served.address, "/health", { host: "evil.example" })).status).toBe(403);
  expect(served.log()).not.toContain("aaaa");
  expect(served.log()).toContain('"route":"/v1/completions"');
});

test("a client that leaves frees its rows at the next step; a worker that dies takes its requests along, and the next is served", async () => {
  let connection: Connection | undefined;
  const said: FromWorker[] = [];
  const served = await serveTiny(
    { rows: 1 },
    {
      connect(settings) {
        connection = inThread(settings);
        connection.on("message", (message) => said.push(message));
        return connection;
      },
    },
  );
  const long = { template: "the[[200]]", steps: 4096, stream: true, diffusing: true };
  const leaving = new AbortController();
  await served.post("/v1/infill", long, { signal: leaving.signal }); // it runs: nothing is answered before
  leaving.abort();
  expect((await served.post("/v1/completions", { prompt: "the", max_tokens: 4, steps: 2 })).status).toBe(200);
  // The worker itself stopped: each of the 200 tokens would have been a snapshot or two.
  await expect.poll(() => said.find(({ type }) => type === "failed")).toMatchObject({ reason: "cancelled" });
  expect(said.filter((message) => message.type === "event" && message.event.type === "snapshot").length).toBeLessThan(60);

  const begun = await served.post("/v1/infill", long);
  connection!.terminate();
  expect(await begun.text()).toContain("worker_lost");
  expect((await served.post("/v1/completions", { prompt: "the", max_tokens: 4, steps: 2 })).status).toBe(200);
});

test("each form's sampling options reach the sampler", async () => {
  const served = await serveTiny();
  const model = await load(served.folder, { threads: 1 });
  const settings = { seed: 3, steps: 6 };
  const written = async (options: SampleOptions): Promise<string> => {
    const [sample] = await model.infill("the [[8]] fox", { ...settings, ...options });
    return sample!.text.slice(4, 12);
  };
  const plain = await written({});
  const cases: [Record<string, unknown>, SampleOptions][] = [
    [{ temperature: 0 }, { topK: 1 }],
    [{ temperature: 2 }, { temperature: 2 }],
    [{ top_p: 0.2 }, { topP: 0.2 }],
    [{ top_k: 2 }, { topK: 2 }],
    [{ sampler: "first-hitting" }, { sampler: "first-hitting" }],
    [{ sampler: "left-to-right" }, { sampler: "left-to-right" }],
    [{ steps: 3 }, { steps: 3 }],
    [{ seed: 4 }, { seed: 4 }],
  ];
  for (const [body, options] of cases) {
    const expected = await written(options);
    expect(expected, JSON.stringify(body)).not.toBe(plain);
    const ask = async (path: string, form: object) => (await served.post(path, { ...form, ...settings, ...body })).json();
    expect(await ask("/v1/infill", { template: "the [[8]] fox" })).toMatchObject({ texts: [{ text: `the ${expected} fox` }] });
    expect(await ask("/v1/completions", { prompt: "the ", suffix: " fox", max_tokens: 8 })).toMatchObject({
      choices: [{ text: expected }],
    });
    expect(await ask("/infill", { input_prefix: "the ", input_suffix: " fox", n_predict: 8 })).toMatchObject({ content: expected });
  }
  await model.dispose();
});

test("too many requests: 429 with Retry-After", async () => {
  const served = await serveTiny({ rows: 1, queue: 1 });
  const leaving = new AbortController();
  const long = { prompt: "the", max_tokens: 200, steps: 4096, stream: true };
  await served.post("/v1/completions", long, { signal: leaving.signal });
  const waiting = served.post("/v1/completions", { prompt: "the", max_tokens: 4, steps: 2 });
  await expect.poll(async () => (await fetch(`${served.address}/metrics`)).text()).toContain('sedd_waiting_requests{model="tiny"} 1');
  const refused = await served.post("/v1/completions", long);
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, "2"]);
  expect(await refused.json()).toMatchObject({ error: { type: "rate_limit_error", code: "queue_full" } });
  leaving.abort();
  expect((await waiting).status).toBe(200);
});

test("a queue of 0: what can start at once starts, nothing waits", async () => {
  const served = await serveTiny({ rows: 1, queue: 0 });
  const leaving = new AbortController();
  await served.post("/v1/completions", { prompt: "the", max_tokens: 200, steps: 4096, stream: true }, { signal: leaving.signal });
  const short = { prompt: "the", max_tokens: 4, steps: 2 };
  const refused = await served.post("/v1/completions", short);
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({
    error: { message: "the model is busy, and no request may wait here; try again in a moment" },
  });
  leaving.abort();
  await expect.poll(async () => (await served.post("/v1/completions", short)).status).toBe(200);
});

test("--log-texts logs the bodies that were read, and of a request that was refused before none", async () => {
  const served = await serveTiny({ logTexts: true, apiKey: "a-long-secret", bodyLimit: 1024 });
  const send = (headers: Record<string, string>, body: object) =>
    raw(served.address, "/v1/completions", { "content-type": "application/json", ...headers }, "POST", JSON.stringify(body));
  const key = { authorization: "Bearer a-long-secret" };
  expect((await send({}, { prompt: "without a key" })).status).toBe(401);
  expect((await send(key, { prompt: "too long ".repeat(200) })).status).toBe(413);
  expect((await send(key, { prompt: "the fox", max_tokens: 2, steps: 1 })).status).toBe(200);
  expect((await send(key, { prompt: "a king", wrong: 1 })).status).toBe(400);
  await expect.poll(served.log).toContain("a king");
  expect(served.log()).toContain("the fox");
  expect(served.log()).not.toMatch(/without a key|too long too long/);
});
