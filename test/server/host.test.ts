/** A host against a worker that does what it is told to: turns, limits, leaving, ends. */
import { expect, test } from "vitest";
import { modelHost, type HostOptions, type RunOptions } from "../../src/server/host.ts";
import type { Connection, FromWorker, ScoreJob, ToWorker } from "../../src/server/protocol.ts";

const card = { length: 8, longest: 64, parameterCount: 1, vocabularySize: 2, graph: "absorb", objective: "sedd" };
const job: ScoreJob = { kind: "score", template: "a", samples: 2, seed: 0 };
const result = { kind: "query", answer: {} as never } as const;

/** A host whose worker records what it hears and says what a test makes it say. */
function scene(options: Partial<HostOptions> = {}) {
  const heard: ToWorker[] = [];
  const say: ((message: FromWorker) => void)[] = [];
  const exits: (() => void)[] = [];
  const connect = (): Connection => ({
    postMessage: (message) => heard.push(message),
    on(event: string, listener: (message: never) => void) {
      if (event === "message") say.push(listener as (message: FromWorker) => void);
      if (event === "exit") exits.push(listener as () => void);
    },
    terminate: () => exits.at(-1)!(),
  });
  const host = modelHost({ id: "m", connect, maxRows: 4, queueLimit: 8, timeLimit: 60_000, ...options });
  const run = (lane: string, rows = 1, more: Partial<RunOptions> = {}) =>
    host.run(job, { lane, rows, signal: new AbortController().signal, ...more });
  return { host, run, heard, say: (message: FromWorker) => say.at(-1)!(message), die: () => exits.at(-1)!(), workers: () => say.length };
}

const started = (heard: ToWorker[]) => heard.filter(({ type }) => type === "start").map(({ job }) => job);

test("as many rows as allowed are in the worker; the rest follows in turns", async () => {
  const { host, run, heard, say } = scene();
  const runs = [run("a", 2), run("a", 2), run("a", 1), run("b", 1), run("b", 9)];
  expect(heard).toEqual([]); // not loaded yet
  say({ type: "ready", card });
  expect(started(heard)).toEqual([0, 3]); // a's first, b's first; a's second would be one row too many
  expect(host.state).toEqual({ ready: true, waiting: 3, rows: 3 });
  say({ type: "done", job: 0, result });
  say({ type: "done", job: 3, result });
  expect(started(heard)).toEqual([0, 3, 1]); // then b's, too large to run beside it, which nothing passes
  say({ type: "done", job: 1, result });
  expect(started(heard)).toEqual([0, 3, 1, 4]);
  say({ type: "done", job: 4, result });
  say({ type: "done", job: 2, result });
  expect(await Promise.all(runs)).toHaveLength(5);
});

test("where none may wait, one that fits starts, and the next is refused until there is room", async () => {
  const { host, run, heard, say } = scene({ queueLimit: 0 });
  await expect(run("a")).rejects.toMatchObject({ status: 429 }); // not loaded yet: it would wait
  say({ type: "ready", card });
  const [first, second] = [run("a", 3), run("b", 1)];
  expect(host.state).toEqual({ ready: true, waiting: 0, rows: 4 });
  await expect(run("c")).rejects.toMatchObject({
    status: 429,
    message: expect.stringMatching(/^the model is busy, and no request may wait/),
  });
  say({ type: "done", job: 2, result });
  const third = run("c");
  say({ type: "done", job: 1, result });
  say({ type: "done", job: 4, result });
  expect(await Promise.all([first, second, third])).toHaveLength(3);
  expect(started(heard)).toEqual([1, 2, 4]);
});

test("one that leaves is cancelled, and its rows are free when the worker has let go", async () => {
  const { host, run, heard, say } = scene();
  say({ type: "ready", card });
  const leaving = new AbortController();
  const [gone, next] = [run("a", 4, { signal: leaving.signal }), run("b", 1)];
  leaving.abort(new Error("gone"));
  await expect(gone).rejects.toThrow("gone");
  expect(heard.at(-1)).toEqual({ type: "cancel", job: 0 });
  expect(host.state).toMatchObject({ rows: 4, waiting: 1 });
  say({ type: "failed", job: 0, message: "", reason: "cancelled" });
  expect(host.state).toMatchObject({ rows: 1, waiting: 0 });
  say({ type: "done", job: 1, result });
  expect(await next).toBe(result);
});

test("errors by whose they are, and the time limit", async () => {
  const { run, heard, say } = scene({ timeLimit: 20 });
  say({ type: "ready", card });
  const [wrong, broken, slow] = [run("a"), run("a"), run("a")];
  say({ type: "failed", job: 0, message: "length 9: too long", reason: "user" });
  say({ type: "failed", job: 1, message: "inside", reason: "internal" });
  await expect(wrong).rejects.toMatchObject({ status: 400, message: "length 9: too long" });
  await expect(broken).rejects.not.toHaveProperty("status");
  await expect(slow).rejects.toMatchObject({ status: 504 });
  expect(heard.at(-1)).toEqual({ type: "cancel", job: 2 });
});

test("a worker that dies takes its jobs along; those that wait go to the next one", async () => {
  const { host, run, heard, say, die, workers } = scene({ maxRows: 1 });
  say({ type: "ready", card });
  const [lost, waiting] = [run("a"), run("a")];
  die();
  await expect(lost).rejects.toMatchObject({ status: 503, details: { code: "worker_lost" } });
  expect(host.state).toEqual({ ready: false, waiting: 1, rows: 0 });
  await expect.poll(workers, { timeout: 5000 }).toBe(2);
  say({ type: "ready", card });
  expect(started(heard)).toEqual([0, 1]);
  say({ type: "done", job: 1, result });
  expect(await waiting).toBe(result);
});

test("a model that does not load says why", async () => {
  const { host, say } = scene();
  say({ type: "broken", message: "model m: no such folder", user: true });
  await expect(host.loaded).rejects.toMatchObject({ name: "UserError", message: "model m: no such folder" });
});

test("nor does one that replaces a dead worker stay silent about it", async () => {
  const lost: string[] = [];
  const { host, say, die, workers } = scene({ onLost: (failure) => lost.push(failure) });
  say({ type: "ready", card });
  die();
  await expect.poll(workers, { timeout: 5000 }).toBe(2);
  say({ type: "broken", message: "model m: no such folder", user: true });
  expect(lost).toEqual(["", ": model m: no such folder"]);
  await host.stop(0);
});

test("in a full queue a client with many requests gives way to one with few; jobs of an admitted request wait beyond it", async () => {
  const { host, run, say } = scene({ maxRows: 1, queueLimit: 2 });
  say({ type: "ready", card });
  const running = run("a");
  const [kept, pushed] = [run("a"), run("a")];
  const other = run("b");
  await expect(pushed).rejects.toMatchObject({ status: 429, message: expect.stringMatching(/^2 requests wait already/) });
  const further = run("b", 1, { admitted: true });
  expect(host.state.waiting).toBe(3);
  for (const job of [0, 1, 3, 4]) say({ type: "done", job, result });
  expect(await Promise.all([running, kept, other, further])).toHaveLength(4);
});

test("a stop takes no more, waits for what runs, and cancels what takes too long", async () => {
  const { host, run, say } = scene({ maxRows: 1 });
  say({ type: "ready", card });
  const [running, waiting] = [run("a"), run("a")];
  const stopped = host.stop(30);
  await expect(run("b")).rejects.toMatchObject({ status: 503 });
  say({ type: "done", job: 0, result });
  expect(await running).toBe(result);
  await expect(waiting).rejects.toMatchObject({ status: 503, details: { code: "stopping" } });
  await stopped;
});
