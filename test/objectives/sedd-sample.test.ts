/** How a model's samples are drawn beyond sampler and steps: departures, grids, the corrector and constraints, and what a sample tells of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { samplerNames } from "../../src/diffusion/sampler.ts";
import { load, type Model } from "../../src/model.ts";
import type { SampleOptions } from "../../src/objectives/sedd-sample.ts";
import { UserError } from "../../src/platform/errors.ts";
import { saveTextModel } from "./text-model.ts";

const folder = mkdtempSync(join(tmpdir(), "sedd-test-"));
let model: Model;

beforeAll(async () => {
  await saveTextModel(folder, "abcdefgh ".repeat(50), { kind: "character", length: 24 });
  model = await load(folder, { threads: 1 });
});
afterAll(async () => {
  await model.dispose();
  rmSync(folder, { recursive: true });
});

const drawn = async (options: SampleOptions) => (await model.sample({ seed: 4, steps: 8, ...options }))[0]!;
const plain = ["text", "tokens", "seed", "steps", "sampler", "model", "milliseconds"];

describe("a sample says how it was drawn, where that is not the plain way", () => {
  test("plain: the seven fields; values that change nothing are no departures, and draw the same text", async () => {
    const sample = await drawn({});
    expect(Object.keys(sample)).toEqual(plain);
    const same = await drawn({ temperature: 1, topP: 1, topK: 10_000 });
    expect(same).toEqual({ ...sample, milliseconds: same.milliseconds });
  });
  test("approximations by name: several events or positions a call", async () => {
    expect(await drawn({ sampler: "first-hitting", corrector: { positions: 2 } })).toMatchObject({
      approximations: ["first-hitting: several events a call", "corrector: several positions a call"],
    });
    expect(await drawn({ sampler: "first-hitting", steps: undefined, corrector: { positions: 1 } })).not.toHaveProperty("approximations");
  });
  test("a hole that may hold one token alone is no event", async () => {
    const options: SampleOptions = { sampler: "first-hitting", seed: 1, constraints: [{ hole: 0, allow: ["a"] }] };
    const [sample] = await model.infill("b[[2]]c[[3]]", options);
    expect([sample!.steps, sample!.approximations]).toEqual([3, undefined]);
    const [short] = await model.infill("b[[2]]c[[3]]", { ...options, steps: 2 });
    expect(short!.approximations).toEqual(["first-hitting: several events a call"]);
  });
  test.each<[SampleOptions, object]>([
    [{ temperature: 0.3, topK: 3, topP: 1 }, { departures: { temperature: 0.3, topK: 3 } }],
    [{ topP: 0.5 }, { departures: { topP: 0.5 } }],
    [{ grid: "cosine" }, { grid: "cosine" }],
    [{ corrector: { positions: 2 } }, { approximations: ["corrector: several positions a call"], corrector: { positions: 2 } }],
    [{ constraints: [{ forbid: ["a", 1] }] }, { constraints: [{ forbid: ["a", 1] }] }],
  ])("%j", async (options, told) => {
    const sample = await drawn(options);
    expect(sample).toMatchObject(told);
    expect(Object.keys(sample)).toEqual([...plain, ...Object.keys(told)]);
    expect(sample.text).not.toBe((await drawn({})).text);
    const again = await drawn(options);
    expect(again).toEqual({ ...sample, milliseconds: again.milliseconds });
  });
  test("sample i depends on (seed, i) alone, with everything at once", async () => {
    const options = {
      seed: 2,
      steps: 6,
      temperature: 0.7,
      corrector: { positions: 2 },
      grid: "share",
      constraints: [{ forbid: ["b"] }],
    } as const;
    const four = await model.sample({ ...options, count: 4 });
    expect((await model.sample({ ...options, count: 2 })).map(({ tokens }) => tokens)).toEqual(
      four.slice(0, 2).map(({ tokens }) => tokens),
    );
    expect(four.every(({ text }) => !text.includes("b"))).toBe(true);
  });
});

describe("constraints", () => {
  test.each(samplerNames)("hold in their holes, and there only (%s)", async (sampler) => {
    const constraints = [
      { hole: 0, allow: ["a", "b"] },
      { hole: 1, forbid: ["a", "b", "c"] },
    ];
    for (let seed = 0; seed < 5; seed++) {
      const [sample] = await model.infill("h[[8]]h[[8]]h", { sampler, seed, steps: 4, constraints, corrector: {} });
      expect(sample!.text).toMatch(/^h[ab]{8}h[^abc]{8}h$/);
    }
  });
  test("after a prompt the rest is hole 0", async () => {
    const [sample] = await model.sample({ prompt: "abc", length: 9, seed: 1, steps: 3, constraints: [{ hole: 0, allow: ["d", "e"] }] });
    expect(sample!.text).toMatch(/^abc[de]{6}$/);
  });
  test.each([
    [{ hole: 1, allow: ["a"] }, "constraint 1: there is no hole 1; holes are 0 to 0"],
    [{ allow: ["ab"] }, 'constraint 1: "ab" is 2 tokens of this model; a constraint takes texts of one token'],
    [{ forbid: [""] }, 'constraint 1: "" is 0 tokens of this model; a constraint takes texts of one token'],
    [{ allow: [999] }, "constraint 1: there is no token 999; tokens are 0 to "],
    [{ allow: [] }, "no token is allowed at position 1: constraint 1 leaves none"],
  ])("%j is refused", async (constraint, message) => {
    const error = await model.infill("a[[2]]", { constraints: [constraint] }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  });
});

test("wrong options are refused", async () => {
  for (const [options, message] of [
    [{ grid: "even" as "share" }, 'unknown grid "even"; there are linear, cosine, log-sigma, share'],
    [{ grid: "share", sampler: "first-hitting" }, 'grid "share": first-hitting draws its own times; leave grid out'],
    [{ temperature: 0 }, "temperature must be a number above 0, got 0"],
    [{ corrector: { positions: 0 } }, "corrector.positions must be a whole number of at least 1, got 0"],
  ] as const) {
    const error = await model.sample(options).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toContain(message);
  }
});
