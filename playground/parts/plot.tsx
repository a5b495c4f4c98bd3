/** A curve over steps with error bars, drawn by uPlot in the page's colours. A table beside it must say the numbers. */
import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Point {
  /** Positive: the axis is logarithmic. */
  readonly x: number;
  readonly y: number;
  /** Half the length of its bar; none where the error is not known. */
  readonly error: number | undefined;
}

export interface PlotProps {
  /** By x, ascending. */
  readonly points: readonly Point[];
  /** What the axes are of. */
  readonly axes: readonly [x: string, y: string];
  /** What the chart shows, for those who do not see it. */
  readonly label: string;
}

const height = 240;

export function Plot({ points, axes, label }: PlotProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current!;
    // A canvas needs colours, not names of colours, and they change with the theme: asked for at every drawing.
    const colour = (name: string) => (): string => {
      element.style.color = `var(${name})`;
      return getComputedStyle(element).color;
    };
    const axis = (text: string): UPlot.Axis => ({
      label: text,
      stroke: colour("--quiet"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    });
    const ends = points.map(({ y, error = 0 }) => [y - error, y + error] as const);
    const unseen: UPlot.Series = { paths: () => null, points: { show: false } };
    const made = new UPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { show: false },
        scales: { x: { time: false, distr: 3, log: 2 } },
        axes: [{ ...axis(axes[0]), splits: points.map(({ x }) => x), filter: (_, splits) => splits }, axis(axes[1])],
        // The ends of the bars are series too, so that the axis reaches them.
        series: [{}, { stroke: colour("--accent"), width: 2, points: { size: 8, fill: colour("--accent") } }, unseen, unseen],
        hooks: { draw: [(plot) => drawBars(plot, colour("--accent")())] },
      },
      [points.map(({ x }) => x), points.map(({ y }) => y), ends.map(([low]) => low), ends.map(([, high]) => high)],
      element,
    );
    const redraw = (): void => made.redraw();
    const sizes = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    sizes.observe(element);
    const theme = new MutationObserver(redraw);
    theme.observe(document.documentElement, { attributeFilter: ["style"] });
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", redraw);
    return () => {
      sizes.disconnect();
      theme.disconnect();
      dark.removeEventListener("change", redraw);
      made.destroy();
    };
  }, [points]);
  return <div ref={place} role="img" aria-label={label} />;
}

function drawBars({ ctx, data: [x, , low, high], valToPos }: UPlot, colour: string): void {
  const cap = 4 * devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = colour;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  x.forEach((at, i) => {
    const across = valToPos(at, "x", true);
    const ends = [valToPos(low![i]!, "y", true), valToPos(high![i]!, "y", true)] as const;
    ctx.moveTo(across, ends[0]);
    ctx.lineTo(across, ends[1]);
    for (const end of ends) {
      ctx.moveTo(across - cap, end);
      ctx.lineTo(across + cap, end);
    }
  });
  ctx.stroke();
  ctx.restore();
}
