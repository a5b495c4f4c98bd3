import { describe, expect, test } from "vitest";
import { watchView } from "../../src/cli/watch.ts";
import type { SampleFrame } from "../../src/objectives/sedd-model.ts";
import { recorded, screenOf, type Recorded } from "./support.ts";

const words = ["Once ", "upon ", "a ", "time ", "漢", "\n", "\x1b[2J", "e\u0301"];
const MASK = words.length;
const pieces = (tokens: number[]): string[] => tokens.map((token) => (token === MASK ? "▁" : words[token]!));

const frameOf = (step: number, steps: number, tokens: number[], changed: number[] = []): SampleFrame => ({
  sequence: 0,
  step,
  steps,
  time: 1 - step / steps,
  sigma: 0.5,
  tokens,
  changed,
  probability: changed.map(() => 0.5),
  text: pieces(tokens).join(""),
  spans: [],
  done: step === steps,
});

function view(output: Recorded, settings: { color?: boolean; now?: () => number; signal?: AbortSignal } = {}) {
  const messages = recorded();
  const { color = false, now = ticking(100), signal = new AbortController().signal } = settings;
  return { messages, view: watchView({ output, messages, color, pieces, mask: MASK, signal, now }) };
}

/** A clock that goes on by so many milliseconds with every look. */
function ticking(period: number): () => number {
  let time = 0;
  return () => (time += period);
}

describe("on a terminal", () => {
  test("redraws in place, hides the cursor meanwhile, and leaves nothing behind", () => {
    const output = recorded({ columns: 30 });
    output.write("before\n");
    const { view: live } = view(output);
    live.show(frameOf(0, 4, [MASK, MASK, MASK]));
    expect(screenOf(output.text, 30)).toMatchObject({
      lines: ["before", expect.stringMatching(/^step 0\/4 {2}time 1\.000/), "▁▁▁", ""],
      cursorHidden: true,
    });
    live.show(frameOf(1, 4, [0, MASK, MASK], [0]));
    live.show(frameOf(2, 4, [0, 1, MASK], [1]));
    expect(screenOf(output.text, 30).lines.slice(2)).toEqual(["Once upon ▁", ""]);
    live.finish();
    live.close();
    expect(screenOf(output.text, 30)).toMatchObject({ lines: ["before", ""], cursorHidden: false });
  });

  test("a shorter text after a longer one leaves no old lines", () => {
    const output = recorded({ columns: 12 });
    const { view: live } = view(output);
    live.show(frameOf(0, 2, [5, 5, 5, 0]));
    live.show(frameOf(1, 2, [0, 2]));
    expect(screenOf(output.text, 12).lines.slice(1)).toEqual(["Once a ", ""]);
  });

  test("wraps to the width, wide characters included", () => {
    const output = recorded({ columns: 12 }); // one column stays free
    const { view: live } = view(output);
    live.show(frameOf(0, 1, [0, 1, 2, 3, 4, 4, 4, 4, 7]));
    expect(screenOf(output.text, 12).lines.slice(1)).toEqual(["Once upon a", "time ", "漢漢漢漢e\u0301", ""]);
  });

  test("never draws more lines than the terminal has", () => {
    const output = recorded({ columns: 20, rows: 5 });
    const { view: live } = view(output);
    live.show(frameOf(0, 1, [0, 5, 1, 5, 2, 5, 3, 5]));
    expect(screenOf(output.text, 20).lines.slice(1)).toEqual(["Once ", "upon ", "… 3 more lines", ""]);
  });

  test("control characters of the text are shown, not obeyed", () => {
    const output = recorded({});
    const { view: live } = view(output);
    live.show(frameOf(0, 1, [0, 6, 2]));
    expect(screenOf(output.text, 80).lines[1]).toBe("Once \ufffd[2Ja ");
  });

  test("masks are dim and new tokens bold; none of it without colour", () => {
    const drawn = (color: boolean): string => {
      const output = recorded({});
      view(output, { color }).view.show(frameOf(1, 4, [0, 1, MASK], [1]));
      return output.text;
    };
    expect(drawn(true)).toContain("Once \x1b[1;32mupon \x1b[0m\x1b[2m▁\x1b[0m");
    expect(screenOf(drawn(false), 80).styled).toBe(false);
  });

  test("frames faster than terminals draw are left out, their new tokens are highlighted later, the last one is drawn", () => {
    const output = recorded({});
    const { view: live } = view(output, { color: true, now: () => 5 });
    live.show(frameOf(0, 3, [MASK, MASK]));
    live.show(frameOf(1, 3, [0, MASK], [0]));
    expect(output.text).not.toContain("Once");
    live.show(frameOf(3, 3, [0, 2], [1]));
    expect(output.text).toContain("\x1b[1;32mOnce a \x1b[0m");
  });

  test("Ctrl-C gives the cursor back at once and keeps the last picture", () => {
    const output = recorded({});
    const controller = new AbortController();
    const { view: live } = view(output, { signal: controller.signal });
    live.show(frameOf(0, 2, [0, MASK]));
    controller.abort();
    live.show(frameOf(1, 2, [0, 1]));
    live.close();
    expect(screenOf(output.text, 80)).toMatchObject({ lines: [expect.any(String), "Once ▁", ""], cursorHidden: false });
  });
});

describe("without a terminal", () => {
  test("one plain line for every tenth of the steps, on standard error", () => {
    const output = recorded();
    const { view: plain, messages } = view(output);
    for (let step = 0; step <= 40; step++) plain.show(frameOf(step, 40, step < 40 ? [0, 5, MASK] : [0, 5, 1]));
    plain.show(frameOf(40, 40, [0, 5, 1]));
    plain.finish();
    const lines = messages.text.trimEnd().split("\n");
    expect(output.text).toBe("");
    expect(lines.map((line) => /^step (\d+)\/40/.exec(line)?.[1])).toEqual(["0", "4", "8", "12", "16", "20", "24", "28", "32", "36", "40"]);
    expect(lines[0]).toBe("step 0/40  time 1.000  sigma 0.500  2 of 3 tokens: Once  ▁");
  });

  test("few steps: one line each", () => {
    const { view: plain, messages } = view(recorded());
    for (let step = 0; step <= 3; step++) plain.show(frameOf(step, 3, [0]));
    expect(messages.text.trimEnd().split("\n")).toHaveLength(4);
  });
});
