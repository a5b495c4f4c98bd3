/** Programs are compiled once, kept within limits and given back, while calls go on. */
import { expect, test } from "vitest";
import { keepPrograms, type ProgramsOptions } from "../../src/objectives/programs.ts";
import { UserError } from "../../src/platform/errors.ts";
import { add, trace, type Program } from "../../src/tensor/index.ts";

const weight = Float32Array.of(1, 2, 3, 4);

/** Programs of x + weight for [n, 4] numbers, and how often each was built. */
function adding(options: ProgramsOptions) {
  const built: number[] = [];
  const programs = keepPrograms({ weight }, { threads: 1, ...options });
  const build = (n: number) => (): Program => {
    built.push(n);
    return trace({ x: { dtype: "float32", shape: [n, 4] }, weight: { dtype: "float32", shape: [4] } }, ({ x, weight }) => ({
      sum: add(x!, weight!),
    }));
  };
  const ask = async (n: number): Promise<void> => {
    const { sum } = await programs.execute(`rows ${n}`, build(n), { x: new Float32Array(4 * n).fill(n) });
    expect([...sum!]).toEqual(Array.from({ length: 4 * n }, (_, i) => n + weight[i % 4]!));
  };
  return { ...programs, ask, built };
}

test.each(["cpu", "wasm"] as const)("%s: beyond the limit the one that was not needed for longest is given back", async (device) => {
  const { ask, built, dispose } = adding({ device, frozen: true, most: { programs: 3 } });
  for (const n of [1, 2, 3, 1, 4]) await ask(n); // 2 goes
  for (const n of [1, 3, 4]) await ask(n);
  expect(built).toEqual([1, 2, 3, 4]);
  await ask(2); // 1 goes
  await ask(3);
  await ask(1);
  expect(built).toEqual([1, 2, 3, 4, 2, 1]);
  await dispose();
});

test("copies of the parameters have a limit of their own, where there are any; a trunk and a head stay", async () => {
  for (const [device, frozen, again] of [
    ["wasm", true, true],
    ["wasm", false, false],
    ["cpu", true, false],
  ] as const) {
    const { ask, built, dispose } = adding({ device, frozen, most: { copied: 1 } });
    for (const n of [1, 2, 1, 2, 3, 1]) await ask(n);
    expect(built).toEqual(again ? [1, 2, 3, 1] : [1, 2, 3]);
    await dispose();
  }
});

test("what runs is not given back: many calls of many shapes at once, under a limit of two", async () => {
  const { ask, dispose } = adding({ most: { programs: 2 } });
  for (let round = 0; round < 5; round++) await Promise.all(Array.from({ length: 24 }, (_, i) => ask(1 + ((5 * i + round) % 9))));
  await dispose();
});

test("disposed in the midst of calls, it ends them, and says so to later ones", async () => {
  const { ask, dispose } = adding({});
  const calls = Promise.allSettled([1, 2, 3].map(ask));
  await dispose();
  for (const call of await calls) if (call.status === "rejected") expect(call.reason).toBeInstanceOf(UserError);
  await expect(ask(1)).rejects.toThrow("the model was disposed; load it again");
});

test("a program that did not compile is tried anew", async () => {
  const { execute, ask, dispose } = adding({});
  const broken = (): Program => {
    const { inputs } = trace({ x: { dtype: "float32", shape: [1] } }, ({ x }) => ({ y: x! }));
    return { inputs, outputs: { y: { node: { op: "Nothing" } } as never } };
  };
  await expect(execute("rows 1", broken, {})).rejects.toThrow(/Nothing|undefined|op/);
  await ask(1);
  await dispose();
});
