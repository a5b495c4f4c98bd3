import { expect, test } from "vitest";
import { undisturbedPace } from "../../src/evaluation/contestants.ts";
import type { Metric } from "../../src/training/metrics.ts";

const steps = (...lengths: readonly number[]): Metric[] => {
  let seconds = 0;
  return lengths.map((length, i) => ({
    kind: "step",
    ...{ step: i + 1, tokens: 8 * (i + 1), seconds: (seconds += length), loss: 1, gradientNorm: 1, learningRate: 1, length: 8 },
  }));
};

test("a pause and other work on the machine do not change a run's pace", () => {
  const quiet = Array.from({ length: 40 }, (_, i) => 1 + 0.01 * (i % 4));
  const disturbed = quiet.map((length, i) => (i === 7 ? 3600 : i % 2 === 1 ? 2.5 * length : length));
  expect(undisturbedPace(steps(...quiet))).toBeCloseTo(1, 10);
  expect(undisturbedPace(steps(...disturbed))).toBeCloseTo(1, 10);
});

test("validations, and a step that the log lacks, are no steps", () => {
  const [first, , third, fourth] = steps(2, 2, 2, 2);
  const validation: Metric = {
    kind: "validation",
    step: 1,
    tokens: 8,
    seconds: 2.5,
    measure: "bound",
    natsPerToken: 1,
    standardError: 0.1,
  };
  expect(undisturbedPace([first!, validation, third!, fourth!])).toBe(2);
});

test("a run of one step has the pace of that one", () => expect(undisturbedPace(steps(3))).toBe(3));
