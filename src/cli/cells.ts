/**
 * Text as terminals show it: graphemes, how many columns each takes, and wrapping. Widths follow UAX #11 in the ranges that terminals agree on; what a
 * terminal would obey instead of show (control characters) is replaced.
 */

export type Style = "plain" | "mask" | "new";

/** One grapheme on the screen. */
export interface Cell {
  readonly text: string;
  readonly width: number;
  readonly style: Style;
}

/** First and last code points of the wide blocks (East Asian Wide and Fullwidth). */
const wideRanges: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2e80, 0x303e],
  [0x3041, 0x33ff],
  [0x3400, 0x4dbf],
  [0x4e00, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x1f200, 0x1f2ff],
  [0x20000, 0x3fffd],
];

/** Columns of one grapheme: 0 (combining marks and format characters alone), 1 or 2. */
export function widthOf(grapheme: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}\u1160-\u11ff]+$/u.test(grapheme)) return 0;
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(grapheme)) return 2;
  for (const character of grapheme) {
    const code = character.codePointAt(0)!;
    if (wideRanges.some(([first, last]) => code >= first && code <= last)) return 2;
  }
  return 1;
}

/** A text without what a terminal would obey: control characters other than line end and tab become U+FFFD. */
export const printable = (text: string): string => text.replaceAll(/(?![\n\t])\p{Cc}/gu, "\ufffd");

const TAB = "    ";
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/**
 * Pieces of text, each with its style, as cells. A grapheme that spans several pieces takes the style that stands out most; a line end is a cell
 * "\n" of no width.
 */
export function cellsOf(pieces: readonly string[], styles: readonly Style[]): Cell[] {
  const text = pieces.join("");
  const rank = { plain: 0, mask: 1, new: 2 };
  const styleAt: Style[] = [];
  pieces.forEach((piece, i) => {
    for (let k = 0; k < piece.length; k++) styleAt.push(styles[i]!);
  });
  return Array.from(segmenter.segment(text), ({ segment, index }): Cell => {
    const style = styleAt.slice(index, index + segment.length).reduce((a, b) => (rank[b] > rank[a] ? b : a));
    if (segment === "\n" || segment === "\r\n") return { text: "\n", width: 0, style };
    if (segment === "\t") return { text: TAB, width: TAB.length, style };
    const shown = printable(segment);
    return { text: shown, width: widthOf(shown), style };
  });
}

const isSpace = (cell: Cell): boolean => /^\s+$/.test(cell.text);

/** Lines of at most `width` columns, broken after a space where there is one, within a word where there is none. */
export function wrap(cells: readonly Cell[], width: number): Cell[][] {
  const lines: Cell[][] = [];
  let line: Cell[] = [];
  let used = 0;
  for (const cell of cells) {
    if (cell.text === "\n") {
      lines.push(line);
      [line, used] = [[], 0];
      continue;
    }
    if (used + cell.width > width && line.length > 0) {
      // A space at the edge ends the line and is not shown.
      const space = isSpace(cell) ? line.length : line.findLastIndex(isSpace) + 1;
      const rest = space > 0 ? line.splice(space) : [];
      lines.push(line);
      line = rest;
      used = rest.reduce((sum, { width: columns }) => sum + columns, 0);
      if (isSpace(cell)) continue;
    }
    line.push(cell);
    used += cell.width;
  }
  lines.push(line);
  return lines;
}

/** As many of the first cells as fit into `width` columns. */
export function fit(cells: readonly Cell[], width: number): Cell[] {
  let used = 0;
  const end = cells.findIndex((cell) => (used += cell.width) > width);
  return cells.slice(0, end === -1 ? cells.length : end);
}

/** The beginning of a text, on one line, that fits into `width` columns; control characters replaced. */
export const clip = (text: string, width: number): string =>
  fit(cellsOf([text.replaceAll("\n", " ")], ["plain"]), width)
    .map((cell) => cell.text)
    .join("");
