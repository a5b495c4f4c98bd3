/** The page's way to a server, against a real one with a tiny model. */
import { createServer, type AddressInfo } from "node:net";
import { expect, it } from "vitest";
import type { Frame } from "../../playground/backend/backend.ts";
import { serverBackend } from "../../playground/backend/server.ts";
import { load, verifyTrajectory } from "../../src/index.ts";
import type { Connection, WorkerSettings } from "../../src/server/protocol.ts";
import { atOnce, inThread, serveTiny } from "../server/support.ts";

const request = { template: "the [[6]] saw [[4]].", count: 2, seed: 5, steps: 40, sampler: "analytic", temperature: 0.9 } as const;
const { signal } = new AbortController();

it.each([
  ["a quick reader", inThread],
  ["a slow one", atOnce],
])("%s gets every frame of the run, and a recording that verifies", async (_, connect) => {
  const served = await serveTiny({}, { connect });
  const backend = await serverBackend({ address: served.address });
  const frames: Frame[] = [];
  const { texts, trajectory } = await backend.generate(request, { signal, onFrame: (frame) => frames.push(frame) });
  const model = await load(served.folder, { threads: 1 });
  const expected: unknown[] = [];
  const samples = await model.infill(request.template, {
    ...request,
    onStep: ({ sequence, step, steps, time, sigma, tokens, changed, probability, spans }) =>
      expected.push({
        ...{ sequence, step, steps, time, sigma, tokens, changed, probability },
        spans: spans.map(({ begin, end, text }) => ({ begin, end, given: text !== undefined })),
      }),
  });
  await verifyTrajectory(model, trajectory, "run.jsonl");
  await model.dispose();
  expect(texts).toEqual(samples.map(({ text }) => text));
  for (const index of [0, 1])
    expect(frames.filter(({ sequence }) => sequence === index)).toMatchObject(
      expected.filter((frame) => (frame as Frame).sequence === index),
    );
});

it("tells the text of tokens one by one, and together", async () => {
  const { address } = await serveTiny();
  const backend = await serverBackend({ address });
  const tokens = [...(await backend.encode("the fox")), backend.card.mask!];
  expect(await backend.textsOf(tokens)).toEqual([..."the fox▁"]);
  expect(await backend.decode(tokens)).toBe("the fox▁");
});

it("waits for a model that loads, of which the server knows nothing yet", async () => {
  const port = await freePort();
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const connect = (settings: WorkerSettings): Connection => {
    const worker = inThread(settings);
    const on = (event: string, listener: (message: never) => void) =>
      worker.on(
        event as "message",
        event === "message" ? (message) => void held.then(() => listener(message as never)) : (listener as never),
      );
    return { ...worker, on };
  };
  const serving = serveTiny({ port }, { connect });
  const address = `http://127.0.0.1:${port}`;
  const entry = async (): Promise<unknown> => (await fetch(`${address}/v1/models/tiny`)).json();
  await expect.poll(() => entry().catch(() => undefined), { timeout: 10_000 }).toBeDefined();
  expect(await entry()).toEqual({ id: "tiny", object: "model", created: expect.any(Number), owned_by: "sedd", ready: false });
  const opening = serverBackend({ address });
  expect(await Promise.race([opening, new Promise((resolve) => setTimeout(resolve, 300, "waits"))])).toBe("waits");
  release();
  const served = await serving;
  const model = await load(served.folder, { threads: 1 });
  expect((await opening).card).toMatchObject({ name: "tiny", length: 32, parameters: model.parameterCount, mask: model.tokenizer.size });
  await model.dispose();
  expect(await entry()).toMatchObject({ ready: true });
});

/** A port that nobody listens on now. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
