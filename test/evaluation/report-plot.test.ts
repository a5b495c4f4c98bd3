import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Plot, scaleOf, svg, ticks } from "../../src/evaluation/report/plot.ts";

const plot: Plot = {
  id: "test",
  title: "A title",
  description: "A description",
  x: { label: "x", scale: "linear" },
  y: { label: "y", scale: "linear" },
  series: [
    {
      name: "line",
      style: 0,
      points: [
        { x: 0, y: 10, error: 1 },
        { x: 4, y: 30, error: 2 },
      ],
    },
  ],
};

const drawn = async (plot: Plot): Promise<string> => String(await svg(plot));

/** Every M x y1 V y2 of the error bars. */
const barsOf = (picture: string): { x: number; from: number; to: number }[] =>
  [...picture.matchAll(/class="bars" d="([^"]*)"/g)].flatMap(([, path]) =>
    [...path!.matchAll(/M(\S+) (\S+)V([\d.-]+)/g)].map(([, x, from, to]) => ({ x: Number(x), from: Number(from), to: Number(to) })),
  );

describe("scales", () => {
  it("take the ends of the domain to those of the range", () => {
    for (const scale of ["linear", "log"] as const) {
      const at = scaleOf(scale, [2, 32], [100, 20]);
      expect([at(2), at(32)]).toEqual([100, 20]);
    }
  });
  it("go by differences or by ratios", () => {
    expect(scaleOf("linear", [2, 32], [0, 30])(17)).toBeCloseTo(15, 12);
    expect(scaleOf("log", [2, 32], [0, 40])(8)).toBeCloseTo(20, 12);
  });
});

describe("ticks", () => {
  it("are multiples of 1, 2 or 5 times a power of ten, inside the domain, neither few nor many", () => {
    const ends = fc.tuple(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.double({ min: 1e-3, max: 1e6, noNaN: true }));
    fc.assert(
      fc.property(ends, ([lo, span]) => {
        const found = ticks(lo, lo + span);
        expect(found.length).toBeGreaterThanOrEqual(2);
        expect(found.length).toBeLessThanOrEqual(7);
        const slack = span * 1e-6;
        expect(found[0]).toBeGreaterThanOrEqual(lo - slack);
        expect(found.at(-1)).toBeLessThanOrEqual(lo + span + slack);
        const apart = found[1]! - found[0]!;
        const power = 10 ** Math.floor(Math.log10(apart * 1.001));
        const step = [1, 2, 5].map((mantissa) => mantissa * power).find((nice) => Math.abs(apart / nice - 1) < 1e-4);
        expect(step).toBeDefined();
        for (const tick of found) expect(Math.abs(tick / step! - Math.round(tick / step!))).toBeLessThan(1e-4);
      }),
    );
  });
  it("read as a person would write them", () => {
    expect(ticks(0, 1)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(ticks(-0.3, 0.3)).toEqual([-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  });
  it("of a logarithmic axis are 1, 2 and 5 of each decade, powers alone over many, and linear within one", () => {
    expect(ticks(3.7, 553, "log")).toEqual([5, 10, 20, 50, 100, 200, 500]);
    expect(ticks(1e-3, 1e4, "log")).toEqual([1e-3, 1e-2, 0.1, 1, 10, 100, 1e3, 1e4]);
    expect(ticks(30, 80, "log")).toEqual([30, 40, 50, 60, 70, 80]);
  });
});

describe("error bars", () => {
  it("reach one standard error to either side", async () => {
    const picture = await drawn(plot);
    const [first, second] = barsOf(picture);
    // The markers stand in the middle of their bars, so the two points give the pixels of a unit.
    const middle = ({ from, to }: { from: number; to: number }): number => (from + to) / 2;
    const unit = (middle(first!) - middle(second!)) / (30 - 10);
    expect(first!.from - first!.to).toBeCloseTo(2 * unit, 1);
    expect(second!.from - second!.to).toBeCloseTo(4 * unit, 1);
    const places = [...picture.matchAll(/translate\((\S+) (\S+)\)" d="M-4 0a4/g)].map(([, x, y]) => [Number(x), Number(y)]);
    for (const [i, bar] of [first!, second!].entries()) {
      expect(places[i]![0]).toBe(bar.x);
      expect(places[i]![1]).toBeCloseTo(middle(bar), 1);
    }
  });
  it("end at the frame where a logarithmic axis has no place for them", async () => {
    const points = [
      { x: 1, y: 1, error: 2 },
      { x: 2, y: 8, error: 1 },
    ];
    const picture = await drawn({ ...plot, y: { label: "y", scale: "log" }, series: [{ name: "line", style: 1, points }] });
    const frame = Number(/<line class="grid" x1="(?<x>\S+)" x2="\k<x>" y1="\S+" y2="(?<bottom>\S+)"/.exec(picture)!.groups!.bottom);
    expect(barsOf(picture)[0]!.from).toBe(frame);
    expect(picture).not.toMatch(/NaN|Infinity/);
  });
});

describe("a picture", () => {
  it("shows a flat line, a single point, categories and rings with finite numbers", async () => {
    const flat = await drawn({
      ...plot,
      x: { label: "x", scale: "linear", categories: ["one"] },
      series: [{ name: "flat", style: 2, points: [{ x: 0, y: 3, error: 0 }], draw: "level" }],
      rings: { meaning: "look", points: [{ x: 0, y: 3 }] },
    });
    expect(flat).not.toMatch(/NaN|Infinity/);
    expect(flat).toContain(">one</text>");
    expect(flat.match(/class="ring"/g)).toHaveLength(2); // in the plot and in the legend
    expect(flat).toMatch(/d="M66 \S+H702"/); // all across
  });
  it("tells lines apart without colour", async () => {
    const series = [0, 1, 2, 3, 4, 5].map((style) => ({ ...plot.series[0]!, style }));
    const picture = await drawn({ ...plot, series });
    expect(new Set([...picture.matchAll(/stroke-dasharray="([^"]*)"/g)].map(([, dashes]) => dashes)).size).toBe(6);
    expect(new Set([...picture.matchAll(/rotate|translate\([^)]*\)" d="([^"]*)"/g)].map(([, marker]) => marker).filter(Boolean)).size).toBe(
      6,
    );
  });
  it("shows names as text, never as markup", async () => {
    const hostile = `<script>alert("1")</script> & 'more'`;
    const picture = await drawn({
      ...plot,
      title: hostile,
      description: hostile,
      x: { label: hostile, scale: "linear", categories: [hostile] },
      series: [{ ...plot.series[0]!, name: hostile }],
    });
    expect(picture).not.toContain("<script");
    const shown = "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;";
    expect(picture.split(shown)).toHaveLength(6); // title, description, label, category, legend
  });
});
