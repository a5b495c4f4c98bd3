/** The built worker in its thread, with the shipped model, as `@ai-sdk/openai-compatible` speaks to it; and the command that starts it all. */
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { expect, test } from "vitest";
import { startWorker } from "../../src/server/worker.ts";
import { cli, recorded } from "../cli/support.ts";
import { serveTiny } from "./support.ts";

test("a real thread: the ai-sdk client completes and streams; the thread may be killed", async () => {
  const workers: ReturnType<typeof startWorker>[] = [];
  const connect: typeof startWorker = (settings) => {
    const worker = startWorker(settings);
    workers.push(worker);
    return worker;
  };
  const served = await serveTiny({ model: ["fairytales"], threads: 1 }, { connect });
  const model = createOpenAICompatible({ name: "sedd", baseURL: `${served.address}/v1`, includeUsage: true }).completionModel("fairytales");
  const ask = {
    prompt: [{ role: "user" as const, content: [{ type: "text" as const, text: "Once upon a time" }] }],
    maxOutputTokens: 6,
    seed: 4,
  };
  const whole = await model.doGenerate(ask);
  expect(whole).toMatchObject({ content: [{ type: "text" }], finishReason: { unified: expect.stringMatching(/length|stop/) } });
  const text = whole.content.map((part) => (part.type === "text" ? part.text : "")).join("");
  let streamed = "";
  const { stream } = await model.doStream(ask);
  for await (const part of stream as unknown as AsyncIterable<{ type: string; delta?: string; error?: unknown }>) {
    expect(part.type, String(part.error)).not.toBe("error");
    if (part.type === "text-delta") streamed += part.delta;
  }
  expect(streamed).toBe(text);

  const begun = await served.post("/v1/completions", { prompt: "Once", max_tokens: 250, steps: 1000, stream: true });
  await workers[0]!.terminate();
  expect(await begun.text()).toContain("worker_lost");
  expect((await served.post("/v1/completions", { prompt: "Once", max_tokens: 2, steps: 1 })).status).toBe(200);
  expect(workers).toHaveLength(2);
});

test("sedd serve: says where, serves, stops in good order; a model that is not there, an address that is taken", async () => {
  const controller = new AbortController();
  const stderr = recorded();
  const running = cli(["serve", "--port", "0", "--log-level", "silent", "--threads", "1"], {
    stderr,
    signal: controller.signal,
    env: { SEDD_APIKEY: "a-long-secret", SEDD_CACHE: "elsewhere", SEDD_ROWS: "4" },
  });
  await expect.poll(() => stderr.text, { timeout: 20_000 }).toContain("http://127.0.0.1:");
  expect(stderr.text).toMatch(/^sedd: SEDD_APIKEY: not a setting of the server, ignored; there are SEDD_HOST, .*SEDD_API_KEY.*\n/);
  const [address] = /http:\/\/[\d.]+:\d+/.exec(stderr.text)!;
  expect(await (await fetch(`${address}/ready`)).json()).toEqual({ status: "ready" });
  const taken = await cli(["serve", "--port", new URL(address).port, "--log-level", "silent"]);
  expect(taken).toMatchObject({ code: 2, stderr: expect.stringMatching(/is taken by another program/) });
  controller.abort();
  expect((await running).code).toBe(0);
  await expect(fetch(`${address}/health`)).rejects.toThrow("fetch failed");
  expect(await cli(["serve", "--model", "nowhere"])).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/^sedd: model nowhere: no such folder/),
  });
});
