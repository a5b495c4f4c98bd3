/** Which plots a report has: each from the sections that models have, none where there are none. */
import { trainingMachines, writingMachines } from "./clocks.ts";
import { meeting } from "./compare.ts";
import { compact, duration, percent } from "./numbers.ts";
import type { Axis, Plot, Point, Series } from "./plot.ts";
import { type Contestant, type Estimate, type Report, contestantNames, given } from "./schema.ts";
import { comparable, sectionsOf } from "./summary.ts";

export type Topic = "likelihood" | "quality" | "masked" | "infilling";

/** The plots of a report by what they belong to. Bars are one standard error to either side. */
export function figures(report: Report): Record<Topic, Plot[]> {
  const drawn = ({ series }: Plot): boolean => series.length > 0;
  return {
    likelihood: [training(report, "tokens"), ...(trainingMachines(report).length > 1 ? [] : [training(report, "seconds")])].filter(drawn),
    quality: [
      quality(report, "perplexity", "steps"),
      quality(report, "unigramEntropy", "steps"),
      ...(writingMachines(report).length > 1 ? [] : [quality(report, "perplexity", "seconds")]),
    ].filter(drawn),
    masked: [masked(report, "crossEntropy"), masked(report, "accuracy")].filter(drawn),
    infilling: [infilling(report)].filter(drawn),
  };
}

const point = (x: number, { value, standardError }: Estimate): Point => ({ x, y: value, error: standardError });
const styleOf = (name: Contestant): number => contestantNames.indexOf(name);

function training(report: Report, by: "tokens" | "seconds"): Plot {
  const x: Axis =
    by === "tokens" ? { label: "tokens seen", scale: "linear", format: compact } : { label: "hours of training", scale: "linear" };
  return {
    id: `training-${by}`,
    title: by === "tokens" ? "Validation against tokens seen" : "Validation against wall-clock",
    description: "Nats per token of the validation text while training; of a bound, the bound. Lower is better.",
    x,
    y: { label: "nats per token", scale: "linear" },
    series: sectionsOf(report, "curve")
      .filter(([, { kind }]) => comparable(kind))
      .map(([name, { kind, points }]) => ({
        name: `${name} (${kind})`,
        style: styleOf(name),
        points: points.map(({ tokens, seconds, natsPerToken }) => point(by === "tokens" ? tokens : seconds / 3600, natsPerToken)),
      })),
  };
}

function quality(report: Report, what: "perplexity" | "unigramEntropy", by: "steps" | "seconds"): Plot {
  const sections = sectionsOf(report, "quality");
  const ar = given(report.models.ar?.quality)?.points.at(-1);
  const label = what === "perplexity" ? "generative perplexity" : "unigram entropy (nats)";
  const series = sections.map(([name, { points }]): Series => ({
    name,
    style: styleOf(name),
    points: (name === "ar" ? points.slice(-1) : points).map((one) => point(by === "steps" ? one.steps : one.seconds.value, one[what])),
    draw: name === "ar" ? "level" : "line",
  }));
  const rings =
    ar && what === "perplexity" && writingMachines(report).length <= 1
      ? sections.flatMap(([name, section]) => {
          const { sameTime } = name === "ar" ? {} : meeting(section, ar);
          return sameTime ? [{ x: by === "steps" ? sameTime.steps : ar.seconds.value, y: sameTime.perplexity.value }] : [];
        })
      : [];
  return {
    id: `${what}-${by}`,
    title: `${what === "perplexity" ? "Generative perplexity" : "Unigram entropy"} against ${by === "steps" ? "steps" : "seconds per text"}`,
    description:
      what === "perplexity"
        ? "Perplexity of samples under the judge; lower is better, where entropy holds. The level line is ar, which takes one step a token."
        : "Entropy of the samples' own tokens, in nats: text that falls short of real text's is dull. The level line is ar.",
    x: by === "steps" ? { label: "steps", scale: "log" } : { label: "time per text", scale: "log", format: duration },
    y: { label, scale: what === "perplexity" ? "log" : "linear" },
    series,
    ...(rings.length > 0 && { rings: { meaning: "takes as long as ar", points: rings } }),
  };
}

const masked = (report: Report, what: "accuracy" | "crossEntropy"): Plot => ({
  id: `masked-${what}`,
  title: `${what === "accuracy" ? "Accuracy" : "Cross-entropy"} against the share of masked tokens`,
  description: `Of the masked tokens, given the others, on the same positions for all models. ${what === "accuracy" ? "Higher" : "Lower"} is better.`,
  x: { label: "masked", scale: "linear", format: percent },
  y: what === "accuracy" ? { label: "accuracy", scale: "linear", format: percent } : { label: "nats per masked token", scale: "linear" },
  series: sectionsOf(report, "masked").map(([name, { points }]) => ({
    name,
    style: styleOf(name),
    points: points.map((one) => point(one.rate, one[what])),
  })),
});

function infilling(report: Report): Plot {
  const sections = sectionsOf(report, "infilling");
  const side = (key: "bothSides" | "leftOnly", shift: number): Point[] =>
    sections.flatMap(([, section], i) => {
      const estimate = given(section[key]);
      return estimate ? [point(i + shift, estimate)] : [];
    });
  const series: Series[] = [
    { name: "given both sides", style: 0, points: side("bothSides", -0.08), draw: "points" },
    { name: "given the left side only", style: 2, points: side("leftOnly", 0.08), draw: "points" },
  ];
  return {
    id: "infilling",
    title: "The true middle of a text, given what is around it",
    description: "Nats per token of the middle that was taken out; of a bound, the bound. Lower is better.",
    x: { label: "model", scale: "linear", categories: sections.map(([name]) => name) },
    y: { label: "nats per token", scale: "linear" },
    series: series.filter(({ points }) => points.length > 0),
  };
}
