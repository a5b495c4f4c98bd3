/**
 * The report in words, computed from its numbers. What it says is no more than the errors allow: a difference counts from THRESHOLD combined standard errors on,
 * an upper bound that is higher proves nothing, and numbers that measure different things are not ordered.
 */
import { trainingMachines, writingMachines } from "./clocks.ts";
import { THRESHOLD, difference, interpolate, meeting, order, timesError } from "./compare.ts";
import { compact, duration, listed, percent, withError } from "./numbers.ts";
import { type Contestant, type Estimate, type Given, type Kind, type Model, type Report, contestantNames, given, kinds } from "./schema.ts";

export interface Claim {
  readonly heading: string;
  readonly sentences: readonly string[];
}

export const summary = (report: Report): Claim[] =>
  [
    { heading: "Likelihood of the test file", sentences: ranking(likelihoods(report), "nats per token") },
    { heading: "Score entropy against its rivals, by that likelihood", sentences: rivals(report) },
    equal(report, "tokens", compact),
    equal(report, "seconds", duration),
    { heading: "Text as a judge reads it", sentences: generation(report) },
    {
      heading: "MAUVE-style score",
      sentences: ranking(
        sectionsOf(report, "mauve").map(([name, mauve]) => ({ name, estimate: mauve })),
        "",
        1,
      ),
    },
    { heading: "Steps and time", sentences: stepsAndTime(report) },
    { heading: "BERT as a diffusion model", sentences: bert(report) },
    { heading: "Filling in", sentences: infilling(report) },
    { heading: "Speed at equal quality", sentences: ranking(speeds(report), "tokens per second", 1) },
    { heading: "Nothing is copied?", sentences: copies(report) },
  ].filter(({ sentences }) => sentences.length > 0);

interface Entry {
  readonly name: string;
  readonly estimate: Estimate;
  readonly kind?: Kind;
}

type SectionName = "likelihood" | "curve" | "generation" | "mauve" | "quality" | "infilling" | "speed" | "masked";

/** The section of every model that has it, in the order of the tables. */
export const sectionsOf = <K extends SectionName>({ models }: Report, key: K): [Contestant, Given<Model[K]>][] =>
  contestantNames.flatMap((name) => {
    const section = given(models[name]?.[key]);
    return section ? [[name, section as Given<Model[K]>] as [Contestant, Given<Model[K]>]] : [];
  });

/** Whether a number of nats is −log p or a bound on it. */
export const comparable = (kind: Kind | undefined): boolean => kind === undefined || kind === "exact" || kind === "bound";

/** The best of the entries, and of each other one whether the errors let it be called worse. @param better −1 where lower is, 1 where higher is */
export function ranking(entries: readonly Entry[], unit: string, better: -1 | 1 = -1): string[] {
  const [ranked, others] = [entries.filter(({ kind }) => comparable(kind)), entries.filter(({ kind }) => !comparable(kind))];
  const leftOut = others.map(
    ({ name, estimate, kind }) => `${name}'s ${kinds[kind!]} of ${measured(estimate, unit)} compares with none of these.`,
  );
  if (ranked.length === 0) return leftOut;
  const [best, ...rest] = ranked.toSorted((a, b) => better * (b.estimate.value - a.estimate.value)) as [Entry, ...Entry[]];
  const [first, worse] = better < 0 ? ["lowest", "higher"] : ["highest", "lower"];
  const bounds = ranked.filter(({ kind }) => kind === "bound").map(({ name }) => name);
  return [
    `${best.name} has the ${first} number: ${measured(best.estimate, unit)}.`,
    ...rest.map(({ name, estimate }) => compared(name, difference(estimate, best.estimate), best.name, worse)),
    ...(bounds.length > 0
      ? [`Upper bounds, which the models themselves may stay below: ${listed(bounds)}. A higher bound does not prove a worse model.`]
      : []),
    ...leftOut,
  ];
}

const measured = (estimate: Estimate, unit: string): string =>
  `${withError(estimate)} ${unit}`.trimEnd() + (estimate.standardError === 0 ? ", exact" : "");

/** @param gap of `name` and `other` @param word for a gap that counts */
function compared(name: string, gap: Estimate, other: string, word: string): string {
  if (gap.standardError === 0 && gap.value !== 0) return `${name} is ${word} than ${other} by ${withError(absolute(gap))}; both are exact.`;
  const times = timesError(gap);
  if (times < THRESHOLD) return `${name} and ${other} cannot be told apart: they differ by ${withError(absolute(gap))}.`;
  return `${name} is ${word} than ${other} by ${withError(absolute(gap))}, ${timesWord(times)} its error.`;
}

const absolute = ({ value, standardError }: Estimate): Estimate => ({ value: Math.abs(value), standardError });
const timesWord = (times: number): string => (times >= 100 ? "more than 100 times" : `${(Math.floor(times * 10) / 10).toFixed(1)} times`);

const likelihoods = (report: Report): Entry[] =>
  sectionsOf(report, "likelihood").map(([name, { kind, natsPerToken }]) => ({ name, kind, estimate: natsPerToken }));

/** The article's own comparisons, whoever is best: sedd-absorb with each of the others, by the likelihood of the test file. */
function rivals(report: Report): string[] {
  const [sedd, ...others] = likelihoods(report).filter(({ kind }) => comparable(kind));
  if (sedd?.name !== "sedd-absorb") return [];
  return others.map(({ name, estimate }) => {
    const gap = difference(sedd.estimate, estimate);
    return compared(sedd.name, gap, name, gap.value < 0 ? "lower" : "higher");
  });
}

const speeds = (report: Report): Entry[] =>
  sectionsOf(report, "speed").map(([name, { tokensPerSecond }]) => ({ name, estimate: tokensPerSecond }));

/** Validation where the model that ran shortest stopped: by tokens seen, or by seconds of training. */
function equal(report: Report, by: "tokens" | "seconds", show: (amount: number) => string): Claim {
  const curves = sectionsOf(report, "curve").filter(([, { kind }]) => comparable(kind));
  const amount = Math.min(...curves.map(([, { points }]) => points.at(-1)![by]));
  const entries = curves.flatMap(([name, { kind, points }]): Entry[] => {
    const estimate = interpolate(
      points.map((point) => ({ x: point[by], y: point.natsPerToken })),
      amount,
    );
    return estimate ? [{ name, kind, estimate }] : [];
  });
  const heading = by === "tokens" ? "Equal tokens" : "Equal wall-clock";
  if (entries.length < 2) return { heading, sentences: [] };
  const machines = by === "tokens" ? [] : trainingMachines(report);
  if (machines.length > 1)
    return { heading, sentences: [`The models were trained on several machines, whose seconds do not compare: ${listed(machines)}.`] };
  const [first, ...others] = ranking(entries, "nats per token");
  return {
    heading,
    sentences: [
      `After ${show(amount)}${by === "tokens" ? " tokens" : ""} of training, on the validation text: ${first}`,
      ...others,
      ...cutShort(curves, by, amount),
      ...(entries.some(({ estimate }) => estimate.standardError > 0)
        ? [
            "Errors here are over windows of that text, the same for all models, but taken as independent: of a difference they are too large.",
          ]
        : []),
    ],
  };
}

/** Who had not come to the end of its training at `amount`, or had not begun to be measured. */
function cutShort(curves: readonly (readonly [string, Given<Model["curve"]>])[], by: "tokens" | "seconds", amount: number): string[] {
  const named = (which: (points: Given<Model["curve"]>["points"]) => boolean): string =>
    listed(curves.filter(([, { points }]) => which(points)).map(([name]) => name));
  const [running, late] = [
    named((points) => points[0]![by] <= amount && points.at(-1)![by] > 1.1 * amount),
    named((points) => points[0]![by] > amount),
  ];
  return [
    ...(running ? [`Not at the end of their own schedules then, which would have brought them lower: ${running}.`] : []),
    ...(late ? [`Not validated so early: ${late}.`] : []),
  ];
}

/** Perplexity by judge, and what the entropy beside it says. */
function generation(report: Report): string[] {
  const sections = sectionsOf(report, "generation");
  const reference = given(report.reference);
  const judges = [...new Set(sections.map(([, { judge }]) => judge))];
  return judges.flatMap((judge) => {
    const judged = sections.filter((section) => section[1].judge === judge);
    const [first, ...others] = ranking(
      judged.map(([name, { perplexity }]) => ({ name, estimate: perplexity })),
      "generative perplexity",
    );
    const dull = reference ? judged.filter(([, { unigramEntropy }]) => order(unigramEntropy, reference.unigramEntropy) < 0) : [];
    return [
      `Judged by ${judge}: ${first}`,
      ...others,
      ...(dull.length > 0
        ? [
            `Dull text pleases a judge too, and these have less unigram entropy than the test text (${withError(reference!.unigramEntropy)} nats): ` +
              `${listed(dull.map(([name, { unigramEntropy }]) => `${name} ${withError(unigramEntropy)}`))}.`,
          ]
        : []),
    ];
  });
}

function stepsAndTime(report: Report): string[] {
  const { models } = report;
  const ar = given(models.ar?.quality);
  if (!ar) return [];
  const other = ar.points.at(-1)!;
  return contestantNames.flatMap((name) => {
    const quality = given(models[name]?.quality);
    if (name === "ar" || quality?.judge !== ar.judge) return [];
    const { sameTime, sameQuality, certain } = meeting(quality, other);
    const machines = writingMachines(report, ["ar", name]);
    const range = `${quality.points[0]!.steps} to ${quality.points.at(-1)!.steps} steps`;
    const clock =
      machines.length > 1
        ? `${name} and ar wrote on several machines, whose seconds do not compare: ${listed(machines)}.`
        : sameTime
          ? `In the ${duration(other.seconds.value)} that ar takes for a text ${name} makes about ${Math.round(sameTime.steps)} steps, perplexity ` +
            `${withError(sameTime.perplexity)}: ${compared(name, difference(sameTime.perplexity, other.perplexity), "ar", sameTime.perplexity.value < other.perplexity.value ? "lower" : "higher")}`
          : `No number of steps that was measured (${range}) takes ${name} as long as ar, ${duration(other.seconds.value)} a text.`;
    if (!sameQuality) return [clock, `${name} does not come down to ar's perplexity with ${range}.`];
    const times = machines.length > 1 ? "" : `, in ${Number((sameQuality.seconds / other.seconds.value).toPrecision(2))} times ar's time`;
    const where = reach(quality.points[0]!.steps, Math.round(sameQuality.steps));
    return [
      clock,
      certain
        ? `${name} comes down to ar's perplexity ${where}${times}.`
        : `${name}'s perplexity cannot be told apart from ar's ${where}${times}, nor is it lower with any number of steps that was measured.`,
    ];
  });
}

const reach = (fewest: number, steps: number): string =>
  steps === fewest ? `with the fewest steps that were measured, ${steps}` : `at about ${steps} steps`;

/** Rates from which on "much is masked". */
const MUCH = 0.5;

/** The article's claim: a masked language model is a diffusion model that fails where much is masked. */
function bert({ models }: Report): string[] {
  const [mlm, sedd] = [given(models.mlm?.masked), given(models["sedd-absorb"]?.masked)];
  if (!mlm || !sedd) return [];
  const shared = mlm.points.flatMap((point) => {
    const beside = sedd.points.find(({ rate }) => rate === point.rate);
    return beside
      ? [
          {
            rate: point.rate,
            crossEntropy: order(point.crossEntropy, beside.crossEntropy),
            accuracy: order(beside.accuracy, point.accuracy),
          },
        ]
      : [];
  });
  const at = (by: "crossEntropy" | "accuracy", wanted: -1 | 0 | 1): string =>
    listed(shared.filter((point) => point[by] === wanted).map(({ rate }) => percent(rate))) || "no rate";
  const told = (by: "crossEntropy" | "accuracy"): string =>
    `better than sedd-absorb at ${at(by, -1)}, worse at ${at(by, 1)}, not to be told apart at ${at(by, 0)}.`;
  return [
    `By cross-entropy mlm is ${told("crossEntropy")}`,
    `By accuracy it is ${told("accuracy")}`,
    verdict(shared.filter(({ rate }) => rate >= MUCH)),
  ];
}

function verdict(much: readonly { readonly crossEntropy: -1 | 0 | 1 }[]): string {
  const worse = much.filter(({ crossEntropy }) => crossEntropy === 1).length;
  const claim = `The claim that BERT fails where much is masked, here a cross-entropy above sedd-absorb's at rates from ${percent(MUCH)} on,`;
  if (much.length === 0) return `${claim} is not tested: no such rate was measured.`;
  if (worse === much.length) return `${claim} is confirmed at all ${much.length} such rates.`;
  return worse === 0
    ? `${claim} is not confirmed at any of ${much.length} such rates.`
    : `${claim} is confirmed at ${worse} of ${much.length} such rates, not at the others.`;
}

function infilling(report: Report): string[] {
  const entries = sectionsOf(report, "infilling").flatMap(([name, { kind, bothSides, leftOnly }]): Entry[] => {
    const [both, left] = [given(bothSides), given(leftOnly)];
    if (both) return [{ name: `${name} (both sides)`, kind, estimate: both }];
    return left ? [{ name: `${name} (left side only)`, kind, estimate: left }] : [];
  });
  return ranking(entries, "nats per token of the middle");
}

function copies(report: Report): string[] {
  const sections = sectionsOf(report, "generation");
  if (sections.length === 0) return [];
  const reference = given(report.reference);
  const lengths = sections.map(([name, { longestCopy }]) => `${name} ${longestCopy.characters}`);
  return [
    `The longest stretch that stands word for word in the training text, in characters: ${listed(lengths)}` +
      `${reference ? `; of the test text's own, ${reference.longestCopy.characters}` : ""}.`,
  ];
}
