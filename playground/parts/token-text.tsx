/**
 * A text as its tokens, each an element: a list box with one tab stop. Arrows move in it, also up and down a line; a click chooses; shift extends what
 * is chosen.
 */
import { useRef } from "preact/hooks";
import { colouring, levelOf, percent } from "./colouring.tsx";
import type { Token } from "./history.ts";
import { visible, type TokenTexts } from "./token-texts.ts";
import "./tokens.css";

/** What is chosen: the positions from one end to the other, of which `at` has the focus. */
export interface Choice {
  readonly anchor: number;
  readonly at: number;
}
export const chosen = ({ anchor, at }: Choice): { begin: number; end: number } => ({
  begin: Math.min(anchor, at),
  end: Math.max(anchor, at) + 1,
});

/** How a token is shown where its text would not be seen. */
export const shownText = (token: Token, texts: TokenTexts): string => (token.open ? "▁" : (texts.of(token.id) ?? "…"));

/** A token in words: all that its colour says. */
export function describe(token: Token, steps: number, texts: TokenTexts): string {
  if (token.open) return "still to be written";
  const { step, probability, locked } = token;
  const parts = [
    `“${visible(texts.of(token.id))}”`,
    step === undefined ? "" : `written at step ${step} of ${steps}`,
    probability === undefined ? "" : `probability ${percent(probability)}`,
    locked ? "stays" : "",
  ];
  return parts.filter((part) => part !== "").join(", ");
}

export interface TokenTextProps {
  readonly tokens: readonly Token[];
  readonly texts: TokenTexts;
  readonly steps: number;
  /** Names the list box. */
  readonly label: string;
  readonly choice: Choice | undefined;
  /** Several tokens can be chosen, with shift. */
  readonly ranges?: boolean;
  /** Positions to mark. */
  readonly marked?: ReadonlySet<number>;
  readonly onChoose: (choice: Choice) => void;
  /** Any other key, and a click on what is chosen already (" "); true where it meant something. */
  readonly onKey?: (key: string) => boolean;
}

export function TokenText({ tokens, texts, steps, label, choice, ranges = false, marked, onChoose, onKey }: TokenTextProps) {
  const list = useRef<HTMLDivElement>(null);
  const at = Math.min(choice?.at ?? 0, tokens.length - 1);
  const range = choice && chosen(choice);

  const choose = (position: number, extend: boolean): void => {
    if (position < 0 || position >= tokens.length) return;
    onChoose({ anchor: extend && ranges && choice ? choice.anchor : position, at: position });
    (list.current!.children[position] as HTMLElement).focus();
  };
  const keyDown = (event: KeyboardEvent): void => {
    const { key } = event;
    const moves: Readonly<Record<string, () => number>> = {
      ArrowLeft: () => at - 1,
      ArrowRight: () => at + 1,
      ArrowUp: () => lineAway(list.current!, at, -1),
      ArrowDown: () => lineAway(list.current!, at, 1),
      Home: () => 0,
      End: () => tokens.length - 1,
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (moves[key]) choose(moves[key](), event.shiftKey);
    else if (!onKey?.(key)) return;
    event.preventDefault();
  };

  return (
    <div class="tokens" role="listbox" aria-label={label} aria-multiselectable={ranges} ref={list} onKeyDown={keyDown}>
      {tokens.map((token, position) => {
        const words = describe(token, steps, texts);
        const text = token.open ? "" : shownText(token, texts);
        const classes = {
          token: true,
          open: token.open,
          locked: token.locked,
          break: /^\s*\n\s*$/.test(text),
          now: marked?.has(position),
        };
        const isChosen = range !== undefined && position >= range.begin && position < range.end;
        return (
          <span
            key={position}
            role="option"
            class={Object.entries(classes)
              .filter(([, applies]) => applies)
              .map(([name]) => name)
              .join(" ")}
            data-level={levelOf(token, colouring.value, steps)}
            tabIndex={position === at ? 0 : -1}
            aria-selected={isChosen}
            aria-label={words}
            title={words}
            onClick={(event) => {
              if (!(choice?.at === position && choice.anchor === position && onKey?.(" "))) choose(position, event.shiftKey);
            }}
          >
            {text}
          </span>
        );
      })}
    </div>
  );
}

/** The position nearest to `at` on the next line in a direction; `at` itself where there is none. */
function lineAway(list: HTMLElement, at: number, direction: 1 | -1): number {
  const boxes = Array.from(list.children, (child) => child.getClientRects()[0] ?? child.getBoundingClientRect());
  const from = boxes[at]!;
  const beyond = boxes.map((box, i) => ({ i, down: direction * (box.top - from.top), aside: Math.abs(box.left - from.left) }));
  const others = beyond.filter(({ down }) => down > from.height / 2);
  const line = Math.min(...others.map(({ down }) => down)) + from.height / 2;
  return others.filter(({ down }) => down < line).sort((a, b) => a.aside - b.aside)[0]?.i ?? at;
}
