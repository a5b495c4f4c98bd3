/** How far something is: a line that rewrites itself on a terminal, plain lines now and then where there is none. */
import type { Metric } from "../training/train.ts";
import { clip, printable } from "./cells.ts";
import type { Output } from "./io.ts";

export interface StatusLine {
  update(text: string): void;
  clear(): void;
}

/** One line of a terminal, rewritten in place. */
export function statusLine(output: Output): StatusLine {
  let shown = "";
  return {
    update(text) {
      const line = clip(text, Math.max(1, (output.columns ?? 80) - 1));
      if (line !== shown) output.write(`\r${line}\x1b[K`);
      shown = line;
    },
    clear() {
      if (shown !== "") output.write("\r\x1b[K");
      shown = "";
    },
  };
}

/** Parts of one line, of several things that go on at once. */
export function lineParts(line: StatusLine): (name: string) => StatusLine {
  const parts = new Map<string, string>();
  return (name) => ({
    update(text) {
      parts.set(name, text);
      line.update([...parts.values()].join("  |  "));
    },
    clear() {
      parts.delete(name);
      line.clear();
    },
  });
}

/** Seconds as people read them: "0.8 s", "42 s", "3 min 20 s", "2 h 05 min". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number): string => String(n).padStart(2, "0");
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

export interface PercentProgress {
  update(done: number, total: number): void;
  close(): void;
}

/** A percentage; without a terminal, a line for every tenth. @param quiet seconds within which nothing is said, as what is done by then needs no words */
export function percentProgress(output: Output, label: string, quiet = 0): PercentProgress {
  const line = output.isTTY ? statusLine(output) : undefined;
  const begun = performance.now();
  let next = 10;
  return {
    update(done, total) {
      if (performance.now() - begun < 1000 * quiet) return;
      const percent = Math.floor((100 * done) / total);
      if (line) line.update(`${label} ${percent} %`);
      else if (percent >= next) {
        output.write(`${label} ${percent} %\n`);
        next = percent - (percent % 10) + 10;
      }
    },
    close: () => line?.clear(),
  };
}

/** Seconds of work on texts that need no words. */
const QUIET = 2;

/** How far the work on texts is, one thing after another: each by its name, with a percentage. */
export function preparation(output: Output): { update(what: string, done: number, total: number): void; close(): void } {
  let shown: { readonly what: string; readonly progress: PercentProgress } | undefined;
  return {
    update(what, done, total) {
      if (shown?.what !== what) {
        shown?.progress.close();
        shown = { what, progress: percentProgress(output, what, QUIET) };
      }
      shown.progress.update(done, total);
    },
    close: () => shown?.progress.close(),
  };
}

export interface TrainingProgress {
  metric(metric: Metric): void;
  close(): void;
}

/** Weight of the past in the smoothed loss: about the last 50 steps count. */
const SMOOTHING = 0.98;
/** Steps over which tokens/s is taken. */
const RECENT = 50;
/** Without a terminal: seconds, or this share of the steps, between two lines. */
const LINE_SECONDS = 30;
const LINE_SHARE = 1 / 20;

/**
 * @param steps the steps of the whole run
 * @param among what it is called, and its part of the line, where several go on at once
 */
export function trainingProgress(
  output: Output,
  steps: number,
  among?: { readonly name: string; readonly line: StatusLine | undefined },
): TrainingProgress {
  const line = among ? among.line : output.isTTY ? statusLine(output) : undefined;
  const prefix = among ? `${among.name}: ` : "";
  let [sum, weight] = [0, 0];
  let validated = "";
  let first: Extract<Metric, { kind: "step" }> | undefined;
  const recent: { tokens: number; seconds: number }[] = [];
  let printed = { step: 0, seconds: 0 };

  const print = (text: string): void => {
    line?.clear();
    output.write(`${text}\n`);
  };
  const describe = ({ step, tokens, seconds }: Extract<Metric, { kind: "step" }>): string => {
    const parts = [`${prefix}step ${step}/${steps}`, `loss ${(sum / weight).toFixed(3)}`, ...(validated ? [validated] : [])];
    const from = recent[0]!;
    if (seconds > from.seconds)
      parts.push(`${Math.round((tokens - from.tokens) / (seconds - from.seconds)).toLocaleString("en-US")} tokens/s`);
    if (first && step > first.step && step < steps) {
      parts.push(`${duration(((seconds - first.seconds) / (step - first.step)) * (steps - step))} left`);
    }
    return parts.join("  ");
  };

  return {
    metric(metric) {
      if (metric.kind === "sample")
        return print(`--- ${prefix}step ${metric.step}, sample of seed ${metric.seed} ---\n${printable(metric.text)}\n---`);
      if (metric.kind === "validation") {
        validated = `${metric.measure} ${metric.natsPerToken.toFixed(3)} ± ${metric.standardError.toFixed(3)}`;
        if (!line) print(`${prefix}step ${metric.step}/${steps}  validation ${validated} nats a token`);
        return;
      }
      if (metric.kind === "machine") return;
      const { step, tokens, seconds, loss } = metric;
      // Bias-corrected: the mean of what has been seen, while that is little.
      sum = SMOOTHING * sum + (1 - SMOOTHING) * loss;
      weight = SMOOTHING * weight + (1 - SMOOTHING);
      if (!first) printed = { step: step - 1, seconds };
      recent.push({ tokens, seconds });
      if (recent.length > RECENT) recent.shift();
      const text = describe(metric);
      const due = !first || step === steps || seconds - printed.seconds >= LINE_SECONDS || step - printed.step >= steps * LINE_SHARE;
      first ??= metric;
      if (line) line.update(text);
      else if (due) {
        print(text);
        printed = { step, seconds };
      }
    },
    close: () => line?.clear(),
  };
}
