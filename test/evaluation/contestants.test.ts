import { expect, test } from "vitest";
import { undisturbedClock } from "../../src/evaluation/contestants.ts";
import type { Metric } from "../../src/training/metrics.ts";

interface Given {
  readonly seconds: number;
  readonly length?: number;
  readonly tokens?: number;
}

function steps(...all: readonly Given[]): Metric[] {
  let [seconds, tokens] = [0, 0];
  return all.map(({ length = 8, ...one }, i) => {
    seconds += one.seconds;
    tokens += one.tokens ?? 8;
    return { kind: "step", step: i + 1, tokens, seconds, loss: 1, gradientNorm: 1, learningRate: 1, length };
  });
}

test("a pause and other work on the machine do not change a run's clock", () => {
  const quiet = Array.from({ length: 40 }, (_, i) => ({ seconds: 1 + 0.01 * (i % 4) }));
  const disturbed = quiet.map(({ seconds }, i) => ({ seconds: i === 7 ? 3600 : i % 2 === 1 ? 2.5 * seconds : seconds }));
  for (const run of [quiet, disturbed]) {
    const clock = undisturbedClock(steps(...run));
    expect(clock(1)).toBeCloseTo(1, 10);
    expect(clock(40)).toBeCloseTo(40, 10);
  }
});

test("steps of several window lengths, or of passes of several sizes, have each a pace of their own", () => {
  const mixed = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? { seconds: 1, length: 16 } : { seconds: 0.2 }));
  expect(undisturbedClock(steps(...mixed))(60)).toBeCloseTo(28, 10);
  const growing = Array.from({ length: 60 }, (_, i) => (i < 20 ? { seconds: 0.2 } : { seconds: 1, tokens: 64 }));
  const clock = undisturbedClock(steps(...growing));
  expect([clock(20), clock(60)].map((value) => Number(value.toFixed(9)))).toEqual([4, 44]);
});

test("steps on another machine have a pace of their own", () => {
  const [here, there] = ["here", "there"].map((machine, i): Metric => ({ kind: "machine", step: 20 * i, machine, threads: 1 }));
  const run = steps(...Array.from({ length: 60 }, (_, i) => ({ seconds: i < 20 ? 1 : 0.2 })));
  expect(undisturbedClock([here!, ...run.slice(0, 20), there!, ...run.slice(20)])(60)).toBeCloseTo(28, 10);
});

test("validations, and a step that the log lacks, are no steps", () => {
  const [first, , third, fourth] = steps(...Array.from({ length: 4 }, () => ({ seconds: 2 })));
  const validation: Metric = {
    kind: "validation",
    step: 1,
    tokens: 8,
    seconds: 2.5,
    measure: "bound",
    natsPerToken: 1,
    standardError: 0.1,
  };
  const clock = undisturbedClock([first!, validation, third!, fourth!]);
  expect([clock(1), clock(3), clock(4)]).toEqual([2, 6, 8]);
});

test("a run of one step has the clock of that one", () => expect(undisturbedClock(steps({ seconds: 3 }))(1)).toBe(3));
