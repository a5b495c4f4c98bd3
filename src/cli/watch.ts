/**
 * The live view of denoising: the text redrawn in place after every step, masked tokens as a dim "▁", new ones highlighted. Where standard output is
 * no terminal, a plain line on standard error for every tenth of the steps instead.
 */
import type { SampleFrame } from "../objectives/sedd-model.ts";
import { cellsOf, fit, wrap, type Cell, type Style } from "./cells.ts";
import type { Output } from "./io.ts";

/** What is shown of a frame: of a run or of a replay. */
type Shown = Pick<SampleFrame, "step" | "steps" | "time" | "sigma" | "tokens" | "changed">;

export interface WatchView {
  show(frame: Shown): void;
  /** Takes the view away: what follows is the result itself. */
  finish(): void;
  /** Leaves the view as it is and gives the cursor back; may be called more than once. */
  close(): void;
}

export interface WatchOptions {
  /** Where the view is drawn if it is a terminal. */
  readonly output: Output;
  /** Where plain lines go. */
  readonly messages: Output;
  readonly color: boolean;
  /** The text of each token: they concatenate to the text. */
  readonly pieces: (tokens: number[]) => string[];
  /** The id of MASK. */
  readonly mask: number;
  /** Stands before the header. */
  readonly title?: string;
  readonly signal: AbortSignal;
  /** Milliseconds; frames that come faster than terminals draw are left out. */
  readonly now?: () => number;
}

export const watchView = (options: WatchOptions): WatchView => (options.output.isTTY ? liveView(options) : plainView(options));

const HIDE_CURSOR = "\x1b[?25l";
const SHOW_CURSOR = "\x1b[?25h";
const ERASE_BELOW = "\x1b[J";
const ERASE_LINE = "\x1b[K";
const SGR: Record<Style, string> = { plain: "", mask: "\x1b[2m", new: "\x1b[1;32m" };
const RESET = "\x1b[0m";
/** Milliseconds between two drawings: 30 a second. */
const PERIOD = 33;

const masked = (frame: Shown, mask: number): number => frame.tokens.filter((token) => token === mask).length;

function header(frame: Shown, { title = "", mask }: WatchOptions): string {
  const { step, steps, time, sigma, tokens } = frame;
  const done = tokens.length - masked(frame, mask);
  return `${title}step ${step}/${steps}  time ${time.toFixed(3)}  sigma ${sigma.toFixed(3)}  ${done} of ${tokens.length} tokens`;
}

function liveView(options: WatchOptions): WatchView {
  const { output, color, pieces, mask, signal, now = () => performance.now() } = options;
  let hidden = false;
  let lines = 0;
  let drawn = Number.NEGATIVE_INFINITY;
  const fresh = new Set<number>();

  const top = (): string => (lines > 0 ? `\r\x1b[${lines}A` : "\r");
  const paint = (line: readonly Cell[]): string => {
    let text = "";
    let style: Style = "plain";
    for (const cell of line) {
      if (color && cell.style !== style) {
        text += (style === "plain" ? "" : RESET) + SGR[cell.style];
        style = cell.style;
      }
      text += cell.text;
    }
    return style === "plain" ? text : text + RESET;
  };
  const cells = (text: string, style: Style): Cell[] => cellsOf([text], [style]);

  const view: WatchView = {
    show(frame) {
      if (signal.aborted) return;
      for (const position of frame.changed) fresh.add(position);
      if (now() - drawn < PERIOD && frame.step < frame.steps) return;
      drawn = now();
      // The last column stays free: terminals differ in when they go to the next line.
      const width = Math.max(1, (output.columns ?? 80) - 1);
      const room = Math.max(1, (output.rows ?? 24) - 2);
      const styles = frame.tokens.map((token, i): Style => (token === mask ? "mask" : fresh.has(i) ? "new" : "plain"));
      let body = wrap(cellsOf(pieces(frame.tokens), styles), width);
      if (body.length > room) {
        const more = body.length - room + 1;
        body = [...body.slice(0, room - 1), fit(cells(`… ${more} more lines`, "mask"), width)];
      }
      const head = fit(cells(header(frame, options), "mask"), width);
      const text = [head, ...body].map((line) => `${paint(line)}${ERASE_LINE}\n`).join("");
      const begin = hidden ? "" : HIDE_CURSOR;
      hidden = true;
      output.write(begin + top() + text + ERASE_BELOW);
      lines = body.length + 1;
      fresh.clear();
    },
    finish() {
      output.write(top() + ERASE_BELOW);
      lines = 0;
      view.close();
    },
    close() {
      signal.removeEventListener("abort", view.close);
      if (hidden) output.write(SHOW_CURSOR);
      hidden = false;
    },
  };
  // At once: a second Ctrl-C may leave no time for it.
  signal.addEventListener("abort", view.close);
  return view;
}

function plainView(options: WatchOptions): WatchView {
  let next = 0;
  return {
    show(frame) {
      const { step, steps, tokens } = frame;
      if (step < next) return;
      next = Math.min(steps, (Math.floor((10 * step) / steps) + 1) * (steps / 10));
      if (step === steps) next = Number.POSITIVE_INFINITY;
      const text = wrap(
        cellsOf(
          options.pieces(tokens),
          tokens.map(() => "plain"),
        ),
        Number.POSITIVE_INFINITY,
      )
        .map((line) => line.map((cell) => cell.text).join(""))
        .join(" ");
      options.messages.write(`${header(frame, options)}: ${text}\n`);
    },
    finish: () => undefined,
    close: () => undefined,
  };
}
