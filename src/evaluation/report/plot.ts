/**
 * A static plot as SVG that stands alone: in a page or as a file, on light and dark ground. Lines differ by marker and dashes too, not by colour only.
 * What is plotted is not known here (figures.ts).
 */
import { html, raw } from "hono/html";
import { plain } from "./numbers.ts";

export type Markup = ReturnType<typeof html>;

export interface Axis {
  readonly label: string;
  readonly scale: "linear" | "log";
  /** Ticks show numbers so; default: as they are. */
  readonly format?: (value: number) => string;
  /** In place of numbers: categories stand at 0, 1, 2, … */
  readonly categories?: readonly string[];
}

export interface Point {
  readonly x: number;
  readonly y: number;
  /** Half the length of the error bar: one standard error of y. */
  readonly error: number;
}

export interface Series {
  readonly name: string;
  /** Colour, marker and dashes: 0 to 5. */
  readonly style: number;
  readonly points: readonly Point[];
  /** Default "line". "level": a line at the height of the first point, all across; "points": markers alone. */
  readonly draw?: "line" | "level" | "points";
}

export interface Plot {
  /** Names the elements that the title and description are found by; unique within a page. */
  readonly id: string;
  readonly title: string;
  readonly description: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
  /** Places to notice, ringed, and what the ring means. */
  readonly rings?: { readonly meaning: string; readonly points: readonly Omit<Point, "error">[] };
}

const markers = [
  "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
  "M-3.5-3.5h7v7h-7z",
  "M0-5L4.5 3.5h-9z",
  "M0-5L5 0L0 5L-5 0z",
  "M-4-4L4 4M-4 4L4-4",
  "M0-5V5M-5 0H5",
];
const dashes = ["none", "8 3", "2 3", "8 3 2 3", "14 3", "1 4"];
const colours = [
  ["#0067a5", "#5ab8f0"],
  ["#007a57", "#2fc79a"],
  ["#c44f00", "#ff8f52"],
  ["#a8467f", "#eba0c8"],
  ["#24292f", "#e8eaed"],
  ["#856400", "#e0b84a"],
];
const inkOf = (ground: 0 | 1): string => colours.map((pair, i) => `.plot .s${i}{color:${pair[ground]}}`).join("");
const style = raw(
  `.plot{font:13px system-ui,sans-serif;color:#24292f}.plot text{fill:currentColor}.plot path,.plot line{stroke:currentColor;fill:none;stroke-width:1.5}` +
    `.plot .filled{fill:currentColor}.plot .grid{stroke:#8886;stroke-width:1}${inkOf(0)}` +
    `@media (prefers-color-scheme:dark){.plot{color:#e8eaed}${inkOf(1)}}`,
);

/** Numbers that a person would choose, inside lo ≤ hi: multiples of 1, 2 or 5 times a power of ten. Of a logarithmic axis: 1, 2 and 5 of each decade. */
export function ticks(lo: number, hi: number, scale: Axis["scale"] = "linear"): number[] {
  if (scale === "log" && hi / lo >= 10) {
    const mantissas = hi / lo > 1e4 ? [1] : [1, 2, 5];
    const first = Math.floor(Math.log10(lo));
    const decades = Array.from({ length: Math.ceil(Math.log10(hi)) - first + 1 }, (_, i) => first + i);
    return decades.flatMap((power) => mantissas.map((mantissa) => Number(`${mantissa}e${power}`))).filter((at) => at >= lo && at <= hi);
  }
  const step = niceStep(hi - lo);
  const count = Math.floor(hi / step + 1e-9) - Math.ceil(lo / step - 1e-9) + 1;
  return Array.from({ length: count }, (_, i) => Number(((Math.ceil(lo / step - 1e-9) + i) * step).toPrecision(12)));
}

/** For about five intervals. */
function niceStep(span: number): number {
  const power = 10 ** Math.floor(Math.log10(span / 5));
  return power * [1, 2, 5, 10].find((mantissa) => mantissa * power * 6 >= span)!;
}

/** The map from numbers to pixels: the domain's ends go to the range's. */
export function scaleOf(scale: Axis["scale"], [lo, hi]: readonly number[], [from, to]: readonly number[]): (value: number) => number {
  const along = scale === "log" ? Math.log : (value: number) => value;
  return (value) => from! + ((along(value) - along(lo!)) / (along(hi!) - along(lo!))) * (to! - from!);
}

/** What an axis shows: all values, and a little more on both sides. */
function domainOf({ scale, categories }: Axis, values: readonly number[]): readonly [number, number] {
  if (categories) return [-0.5, categories.length - 0.5];
  const shown = scale === "log" ? values.filter((value) => value > 0) : values;
  const [lo, hi] = [Math.min(...shown), Math.max(...shown)];
  if (scale === "log") return [lo / 1.08, hi * 1.08];
  if (lo === hi) return [lo - (Math.abs(lo) || 1) / 2, hi + (Math.abs(hi) || 1) / 2];
  return [lo - (hi - lo) * 0.04, hi + (hi - lo) * 0.04];
}

const WIDTH = 720;
const HEIGHT = 340;
const LEFT = 66;
const RIGHT = WIDTH - 18;
const KEYS_A_ROW = 3;

/** In pixels, with no more digits than can be seen. */
const px = (pixels: number): number => Number(pixels.toFixed(2));

/** @returns an `<svg>` with title, description and legend; ± one standard error is a bar of that many units to either side */
export function svg({ id, title, description, x, y, series, rings }: Plot): Markup {
  const points = series.flatMap(({ points }) => points);
  const domainX = domainOf(
    x,
    points.map(({ x }) => x),
  );
  const domainY = domainOf(
    y,
    points.flatMap(({ y, error }) => [y - error, y + error]),
  );
  const keys = series.length + (rings ? 1 : 0);
  const top = 14 + 20 * Math.ceil(keys / KEYS_A_ROW);
  const bottom = top + HEIGHT;
  const atX = scaleOf(x.scale, domainX, [LEFT, RIGHT]);
  const atY = scaleOf(y.scale, domainY, [bottom, top]);
  // A bar that reaches below zero has no place on a logarithmic axis: it ends at the frame.
  const inside = (value: number): number => px(value < domainY[0] ? bottom : atY(value));
  const ticksX = x.categories ? x.categories.map((_, i) => i) : ticks(...domainX, x.scale);
  const labelX = (at: number): string => x.categories?.[at] ?? (x.format ?? plain)(at);

  const mark = ({ style, points, draw = "line" }: Series): Markup => {
    const line =
      draw === "level"
        ? `M${LEFT} ${px(atY(points[0]!.y))}H${RIGHT}`
        : `M${points.map(({ x, y }) => `${px(atX(x))} ${px(atY(y))}`).join("L")}`;
    const bars = points.map(({ x, y, error }) => `M${px(atX(x))} ${inside(y - error)}V${inside(y + error)}`).join("");
    return html`<g class="s${style}">
      ${draw === "points" ? "" : html`<path stroke-dasharray="${dashes[style]}" d="${line}" />`}
      <path class="bars" d="${bars}" />
      ${points.map(({ x, y }) => marker(style, atX(x), atY(y)))}</g
    >`;
  };
  const key = (i: number): readonly [number, number] => [LEFT + (i % KEYS_A_ROW) * 216, 12 + 20 * Math.floor(i / KEYS_A_ROW)];
  const [ringX, ringY] = key(series.length);
  return html`<svg
    xmlns="http://www.w3.org/2000/svg"
    class="plot"
    viewBox="0 0 ${WIDTH} ${bottom + 48}"
    role="img"
    aria-labelledby="${id}-title ${id}-description"
  >
    <title id="${id}-title">${title}</title>
    <desc id="${id}-description">${description}</desc>
    <style>
      ${style}
    </style>
    ${ticks(...domainY, y.scale).map(
      (at) =>
        html`<line class="grid" x1="${LEFT}" x2="${RIGHT}" y1="${px(atY(at))}" y2="${px(atY(at))}" />
          <text x="${LEFT - 8}" y="${px(atY(at) + 4)}" text-anchor="end">${(y.format ?? plain)(at)}</text>`,
    )}
    ${ticksX.map(
      (at) =>
        html`<line class="grid" x1="${px(atX(at))}" x2="${px(atX(at))}" y1="${top}" y2="${bottom}" />
          <text x="${px(atX(at))}" y="${bottom + 18}" text-anchor="middle">${labelX(at)}</text>`,
    )}
    <text x="${(LEFT + RIGHT) / 2}" y="${bottom + 40}" text-anchor="middle">${x.label}</text>
    <text transform="translate(14 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${y.label}</text>
    ${series.map((one) => mark(one))} ${rings?.points.map(({ x, y }) => ring(atX(x), atY(y)))}
    ${series.map(({ name, style, draw }, i) => {
      const [left, middle] = key(i);
      return html`<g class="s${style}"
          >${draw === "points" ? "" : html`<path stroke-dasharray="${dashes[style]}" d="M${left} ${middle}h34" />`}${marker(style, left + 17, middle)}</g
        >
        <text x="${left + 42}" y="${middle + 4}">${name}</text>`;
    })}
    ${rings && html`${ring(ringX + 17, ringY)}<text x="${ringX + 42}" y="${ringY + 4}">${rings.meaning}</text>`}
  </svg>`;
}

const marker = (style: number, x: number, y: number): Markup =>
  html`<path class="${style < 4 ? "filled" : ""}" transform="translate(${px(x)} ${px(y)})" d="${markers[style]}" />`;
const ring = (x: number, y: number): Markup =>
  html`<path class="ring" transform="translate(${px(x)} ${px(y)})" d="M-9 0a9 9 0 1 0 18 0a9 9 0 1 0-18 0z" />`;
