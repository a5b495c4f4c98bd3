import { describe, expect, onTestFinished, test, vi } from "vitest";
import { duration, percentProgress, preparation, statusLine, trainingProgress } from "../../src/cli/progress.ts";
import type { Metric } from "../../src/training/train.ts";
import { recorded, screenOf } from "./support.ts";

const step = (n: number, loss = 5, secondsPerStep = 0.5): Metric => ({
  kind: "step",
  step: n,
  tokens: 1000 * n,
  seconds: secondsPerStep * n,
  loss,
  gradientNorm: 1,
  learningRate: 1e-3,
  length: 64,
});
const validation = (n: number): Metric => ({
  kind: "validation",
  step: n,
  tokens: 1000 * n,
  seconds: n / 2,
  measure: "bound",
  natsPerToken: 4.5678,
  standardError: 0.0123,
});
const sample = (n: number): Metric => ({ kind: "sample", step: n, seed: 0, text: "Once\x1b[2J upon" });

test.each([
  [0.04, "0.0 s"],
  [9.9, "9.9 s"],
  [59.4, "59 s"],
  [61, "1 min 01 s"],
  [3599.7, "1 h 00 min"],
  [7500, "2 h 05 min"],
])("duration %f", (seconds, text) => expect(duration(seconds)).toBe(text));

describe("trainingProgress on a terminal", () => {
  test("one line that rewrites itself: step, smoothed loss, bound, tokens/s, time left", () => {
    const output = recorded({ columns: 100 });
    const progress = trainingProgress(output, 100);
    progress.metric(step(1));
    expect(screenOf(output.text, 100).lines).toEqual(["step 1/100  loss 5.000"]);
    progress.metric(step(2, 3));
    progress.metric(validation(2));
    progress.metric(step(3, 4));
    // Smoothed and bias-corrected: (5·0.98² + 3·0.98 + 4)/(0.98² + 0.98 + 1) = 3.9933; 1,000 tokens in half a second; 97 steps of half a second.
    expect(screenOf(output.text, 100).lines).toEqual(["step 3/100  loss 3.993  bound 4.568 ± 0.012  2,000 tokens/s  49 s left"]);
    progress.close();
    expect(screenOf(output.text, 100).lines).toEqual([""]);
  });

  test("never wider than the terminal", () => {
    const output = recorded({ columns: 20 });
    const progress = trainingProgress(output, 100);
    for (let n = 1; n < 5; n++) progress.metric(step(n));
    expect(screenOf(output.text, 20).lines).toHaveLength(1);
  });

  test("samples stay on the screen, and the line goes on below them", () => {
    const output = recorded({});
    const progress = trainingProgress(output, 100);
    progress.metric(step(1));
    progress.metric(sample(1));
    progress.metric(step(2));
    expect(screenOf(output.text, 80).lines).toEqual([
      "--- step 1, sample of seed 0 ---",
      "Once\ufffd[2J upon",
      "---",
      expect.stringMatching(/^step 2\/100/),
    ]);
  });
});

describe("trainingProgress without a terminal", () => {
  const run = (steps: number, secondsPerStep: number): string[] => {
    const output = recorded();
    const progress = trainingProgress(output, steps);
    for (let n = 1; n <= steps; n++) progress.metric(step(n, 5, secondsPerStep));
    progress.close();
    return output.text.trimEnd().split("\n");
  };

  test("a line for every twentieth of the steps when they are fast", () => {
    expect(run(200, 0.01).map((line) => /^step (\d+)/.exec(line)?.[1])).toEqual([
      "1",
      ...Array.from({ length: 20 }, (_, i) => String(11 + 10 * i)).slice(0, 19),
      "200",
    ]);
  });

  test("a line every 30 seconds when they are slow", () => {
    expect(run(2000, 5).length).toBe(1 + Math.floor(1999 / 6) + 1);
  });

  test("validation and samples have lines of their own, and no control sequences", () => {
    const output = recorded();
    const progress = trainingProgress(output, 10);
    progress.metric(step(1));
    progress.metric(validation(1));
    progress.metric(sample(1));
    progress.close();
    expect(output.text).toBe(
      "step 1/10  loss 5.000\nstep 1/10  validation bound 4.568 ± 0.012 nats a token\n--- step 1, sample of seed 0 ---\nOnce\ufffd[2J upon\n---\n",
    );
  });
});

describe("percentProgress", () => {
  test("rewrites a percentage on a terminal", () => {
    const output = recorded({});
    const progress = percentProgress(output, "scoring");
    for (let i = 0; i <= 1000; i++) progress.update(i, 1000);
    expect(screenOf(output.text, 80).lines).toEqual(["scoring 100 %"]);
    progress.close();
    expect(screenOf(output.text, 80).lines).toEqual([""]);
  });

  test("a line for every tenth elsewhere", () => {
    const output = recorded();
    const progress = percentProgress(output, "scoring");
    for (let i = 0; i <= 7; i++) progress.update(i, 7);
    expect(output.text.trimEnd().split("\n")).toEqual([14, 28, 42, 57, 71, 85, 100].map((percent) => `scoring ${percent} %`));
  });
});

test("statusLine writes nothing when nothing changes", () => {
  const output = recorded({});
  const line = statusLine(output);
  line.update("a");
  const before = output.text;
  line.update("a");
  expect(output.text).toBe(before);
});

test("work on texts: one thing after another by its name, and not a word of what is done within two seconds", () => {
  vi.useFakeTimers({ toFake: ["performance"] });
  onTestFinished(() => void vi.useRealTimers());
  const output = recorded();
  const shown = preparation(output);
  shown.update("reading", 1, 2);
  shown.update("reading", 2, 2);
  shown.update("encoding", 1, 4);
  vi.advanceTimersByTime(2500);
  shown.update("encoding", 2, 4);
  shown.update("encoding", 4, 4);
  shown.close();
  expect(output.text).toBe("encoding 50 %\nencoding 100 %\n");
});
