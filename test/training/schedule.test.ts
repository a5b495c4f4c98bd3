import { expect, test } from "vitest";
import { learningRateFactor } from "../../src/training/schedule.ts";

const factors = (schedule: Parameters<typeof learningRateFactor>[0]): number[] =>
  Array.from({ length: schedule.steps }, (_, i) => learningRateFactor(schedule, i + 1));

test("linear warm-up reaches 1 at its last step, then stays without a decay", () => {
  expect(factors({ steps: 6, warmup: 4, decay: "none", decayFrom: 0 })).toEqual([0.25, 0.5, 0.75, 1, 1, 1]);
  expect(factors({ steps: 2, warmup: 0, decay: "none", decayFrom: 0 })).toEqual([1, 1]);
});

test("linear decay falls in equal steps and would reach zero at the step after the last", () => {
  const falling = factors({ steps: 9, warmup: 0, decay: "linear", decayFrom: 0 });
  falling.forEach((factor, i) => expect(factor).toBeCloseTo(1 - (i + 1) / 10, 14));
  expect(factors({ steps: 10, warmup: 2, decay: "linear", decayFrom: 0.5 }).slice(0, 5)).toEqual([0.5, 1, 1, 1, 1]);
  expect(learningRateFactor({ steps: 10, warmup: 2, decay: "linear", decayFrom: 0.5 }, 11)).toBe(0);
});

test("cosine decay: half-way at 1/2, symmetric", () => {
  const schedule = { steps: 19, warmup: 0, decay: "cosine", decayFrom: 0 } as const;
  expect(learningRateFactor(schedule, 10)).toBeCloseTo(0.5, 14);
  for (let step = 1; step < 10; step++)
    expect(learningRateFactor(schedule, step) + learningRateFactor(schedule, 20 - step)).toBeCloseTo(1, 14);
});

test("a warm-up longer than the run, a decay that begins within the warm-up", () => {
  expect(factors({ steps: 3, warmup: 10, decay: "linear", decayFrom: 0 })).toEqual([0.1, 0.2, 0.3]);
  const early = factors({ steps: 8, warmup: 4, decay: "linear", decayFrom: 0.1 });
  expect(early[3]).toBe(1);
  expect(early[4]).toBeCloseTo(0.8, 14);
});
