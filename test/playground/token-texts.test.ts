/** The texts of a run's tokens: kept whatever model is loaded then, and whole characters where several tokens make one. */
import { beforeEach, expect, it, vi } from "vitest";
import type { Backend, ModelCard } from "../../playground/backend/backend.ts";
import { callsTo } from "../../playground/backend/calls.ts";
import { tokenTexts } from "../../playground/parts/token-texts.ts";
import { status } from "../../playground/session/model.ts";
import { otherModel, run, startRun } from "../../playground/session/run.ts";
import { fakeBackend } from "./fake-backend.ts";

/** Byte 195 and byte 169 are é; other tokens are ASCII. */
function bytesBackend(card: Partial<ModelCard> = {}): { backend: Backend; asked: (readonly number[])[]; close: () => void } {
  const asked: (readonly number[])[] = [];
  let closed = false;
  const textOf = (tokens: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(tokens));
  const answer = async <T>(tokens: readonly number[], value: T): Promise<T> => {
    asked.push(tokens);
    if (closed) throw new Error("the model was closed");
    return value;
  };
  const fake = fakeBackend();
  const backend: Backend = {
    ...fake,
    card: { ...fake.card, ...card },
    textsOf: (tokens) => answer(tokens, tokens.map((token) => textOf([token]))), // prettier-ignore
    decode: (tokens) => answer(tokens, textOf(tokens)),
  };
  return { backend, asked, close: () => (closed = true) };
}
const load = (backend: Backend): void => void (status.value = { kind: "ready", backend });
const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

beforeEach(() => {
  status.value = { kind: "none" };
  run.value = undefined;
});

it("asks once for all that are wanted together, and for several as one text", async () => {
  const { backend, asked } = bytesBackend();
  const texts = tokenTexts(backend);
  expect([97, 195, 169, 97].map(texts.of)).toEqual([undefined, undefined, undefined, undefined]);
  expect([texts.together([97, 195, 169]), texts.together([]), texts.together([97])]).toEqual([undefined, "", undefined]);
  await settled();
  expect([97, 195, 169].map(texts.of)).toEqual(["a", "\ufffd", "\ufffd"]);
  expect([texts.together([97, 195, 169]), texts.together([97])]).toEqual(["a\u00e9", "a"]);
  expect(asked.map(String).sort()).toEqual(["97,195,169", "97,195,169"]);
});

it("stays when another model is loaded, which is not asked", async () => {
  const [own, other] = [bytesBackend({ name: "own" }), bytesBackend({ name: "other" })];
  load(own.backend);
  const texts = tokenTexts(own.backend);
  texts.of(97);
  await settled();
  load(other.backend);
  expect(texts.of(97)).toBe("a");
  texts.of(98);
  await settled();
  expect([texts.of(98), other.asked]).toEqual(["b", []]);
});

it("asks the same model where it runs now, after the one that wrote was closed", async () => {
  const [own, again] = [bytesBackend({ device: "WebGPU" }), bytesBackend({ device: "server" })];
  const texts = tokenTexts(own.backend);
  own.close();
  texts.together([195, 169]);
  await settled();
  expect(texts.together([195, 169])).toBeUndefined();
  load(again.backend);
  texts.together([195, 169]);
  await settled();
  expect(texts.together([195, 169])).toBe("\u00e9");
});

it("a run asks for its tokens while it is written, so that they are known when its model is gone", async () => {
  vi.stubGlobal("requestAnimationFrame", (draw: () => void) => setTimeout(draw, 0));
  const { backend, close } = bytesBackend();
  await startRun(backend, { template: "[[4]]", count: 1, seed: 1, steps: 4, sampler: "analytic" });
  await settled();
  close();
  const { texts } = run.value!;
  expect([0, 1, 2, 3].map(texts.of)).toEqual(["\0", "\u0001", "\u0002", "\u0003"]);
  // Who may go on with it: its model, wherever it runs, and whatever will be loaded as long as nothing is.
  expect(otherModel(run.value!)).toBeUndefined();
  load(bytesBackend({ device: "server" }).backend);
  expect(otherModel(run.value!)).toBeUndefined();
  for (const [card, called] of [
    [{ name: "tiny" }, "tiny (100 tokens)"],
    [{ vocabularySize: 7 }, "fake (7 tokens)"],
    [{ parameters: 5 }, "fake (100 tokens)"],
  ] as const) {
    load(bytesBackend(card).backend);
    expect(otherModel(run.value!)).toBe(
      `The model that is loaded, ${called}, is not that of this text, fake (100 tokens): only that one can write on or be asked about it.`,
    );
  }
});

it("a worker that is gone is not waited for", async () => {
  const worker = { addEventListener: () => undefined, postMessage: () => undefined, terminate: () => undefined } as unknown as Worker;
  const { call, dispose } = callsTo(worker);
  const waiting = call("textsOf", [1]);
  dispose();
  await expect(waiting).rejects.toThrow("the model was closed");
  await expect(call("textsOf", [1])).rejects.toThrow("the model was closed");
});
