/** The last run: its frames as they come, and every way in which it ends. */
import { beforeEach, expect, it, vi } from "vitest";
import type { GenerateRequest } from "../../playground/backend/backend.ts";
import { mistake, run, startRun, stopRun } from "../../playground/session/run.ts";
import { fakeBackend } from "./fake-backend.ts";

const request: GenerateRequest = { template: "[[4]]", count: 2, seed: 1, steps: 4, sampler: "analytic" };
const stepsShown = (): number[][] => run.value!.frames.map((frames) => frames.map(({ step }) => step));

beforeEach(() => {
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw, 0));
  run.value = undefined;
});

it("keeps every frame of every text, and the result", async () => {
  const shown: number[] = [];
  const leave = run.subscribe((now) => shown.push(now?.frames[0]!.length ?? -1));
  await startRun(fakeBackend({ pause: () => new Promise((resolve) => setTimeout(resolve, 5)) }), request);
  leave();
  expect(run.value).toMatchObject({ state: "done", mask: 100, sampler: "analytic", source: { kind: "asked", model: "fake", request } });
  expect(stepsShown()).toEqual([0, 1].map(() => [0, 1, 2, 3, 4]));
  expect(run.value!.result!.tokens).toEqual(run.value!.frames.map((frames) => frames.at(-1)!.tokens));
  expect(shown.length).toBeGreaterThan(3); // while it went on
  expect(shown).toEqual(shown.toSorted((a, b) => a - b));
  const end = run.value;
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(run.value).toBe(end);
});

it("a run that is stopped keeps what is written", async () => {
  await startRun(fakeBackend({ pause: async (step) => void (step === 3 && stopRun()) }), request);
  expect(run.value!.state).toBe("stopped");
  expect(stepsShown()).toEqual([0, 1].map(() => [0, 1, 2]));
  expect(mistake.value).toBeUndefined();
});

it("a run that is stopped before its first frame leaves the run before it", async () => {
  await startRun(fakeBackend(), request);
  const before = run.value;
  await startRun(fakeBackend({ pause: async (step) => void (step === 0 && stopRun()) }), request);
  expect(run.value).toBe(before);
  expect(mistake.value).toBeUndefined();
});

it("a run that fails in its middle keeps what is written, and says what is wrong", async () => {
  const fails = async (step: number): Promise<void> => {
    if (step === 2) throw new Error("the device is lost");
  };
  await startRun(fakeBackend({ pause: fails }), request);
  expect(run.value!.state).toBe("stopped");
  expect(mistake.value).toBe("the device is lost");
});

it("a request that is refused leaves the run before it", async () => {
  await startRun(fakeBackend(), request);
  const before = run.value;
  await startRun(fakeBackend({ pause: () => Promise.reject(new Error("the template is empty")) }), { ...request, template: "" });
  expect(run.value).toBe(before);
  expect(mistake.value).toBe("the template is empty");
  await startRun(fakeBackend(), request);
  expect(mistake.value).toBeUndefined();
});

it("a request that is refused while a run goes on leaves that run as stopped, and a second one, too", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const first = startRun(fakeBackend({ pause: async (step) => void (step === 3 && (await held)) }), request);
  await vi.waitFor(() => expect(stepsShown()[0]).toHaveLength(3));
  const refuses = fakeBackend({ pause: () => Promise.reject(new Error("the template is empty")) });
  const refused = startRun(refuses, { ...request, template: "" });
  await Promise.all([refused, startRun(refuses, { ...request, template: "" })]);
  const expected = { state: "stopped", frames: [0, 1].map(() => [{ step: 0 }, { step: 1 }, { step: 2 }]) };
  expect(run.value).toMatchObject(expected);
  expect(mistake.value).toBe("the template is empty");
  release();
  await first;
  expect(run.value).toMatchObject(expected);
});

it("a run that is begun ends the one that goes on, whose frames come no more", async () => {
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  const first = startRun(fakeBackend({ length: 9, pause: async (step) => void (step === 2 && (await held)) }), request);
  await startRun(fakeBackend({ length: 3 }), request);
  release();
  await first;
  expect(run.value!.state).toBe("done");
  expect(run.value!.frames[0]!.at(-1)!.tokens).toHaveLength(3);
});
