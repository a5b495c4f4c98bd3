/** What was measured, as a report: a section for each measure of each model, and for each measure the card of how it was made. */
import { packageVersion } from "../platform/version.ts";
import type { ModelConfig } from "../objectives/sedd-config.ts";
import type { ComparisonRecipe } from "./comparison-recipe.ts";
import { type Trained, UNDISTURBED } from "./contestants.ts";
import type { Measured } from "./evaluate.ts";
import { type MeasuredTexts, REPEATED } from "./measures/generation.ts";
import { middleOf } from "./measures/infilling.ts";
import { speedAt } from "./measures/speed.ts";
import type { Ground } from "./measures/subject.ts";
import type { Contestant, Model, Report } from "./report/schema.ts";
import { validationWindows } from "../training/validation.ts";
import { trunkDifferences } from "./trunk.ts";

/** A contestant, trained and measured. */
export interface Contender {
  readonly run: Trained;
  readonly config: ModelConfig;
  readonly parameters: number;
  readonly measured: Measured;
}

export interface ReportParts {
  readonly recipe: ComparisonRecipe;
  readonly command: string;
  readonly ground: Ground;
  readonly contenders: ReadonlyMap<Contestant, Contender>;
  /** The test text as if it were samples. */
  readonly reference: MeasuredTexts;
}

const FEATURES = "the judge's last hidden states, mean over a text's tokens, at length 1";

export async function comparisonReport(parts: ReportParts): Promise<Report> {
  const { recipe, contenders, reference } = parts;
  const all = [...contenders];
  const machines = new Set(all.flatMap(([, { measured }]) => machinesOf(measured)));
  const differences = trunkDifferences(all.map(([, { config }]) => config));
  return {
    version: 1,
    created: new Date().toISOString(),
    // Whose seconds these are: what was measured before, elsewhere, may have been kept.
    machine: [...machines].join("; "),
    package: `sedd ${packageVersion}`,
    recipe: { ...recipe.written },
    models: Object.fromEntries(all.map(([name, contender], i) => [name, modelOf(contender, parts, differences[i]!)])),
    reference: textsOf(reference, judgeName(parts)),
    protocols: cards(parts),
  };
}

const machinesOf = ({ quality }: Measured): string[] => [...new Set(quality.map(({ machine }) => machine))];

/** A judge of our own lies in a folder whose name says nothing. */
const judgeName = ({ recipe, ground }: Pick<ReportParts, "recipe" | "ground">): string =>
  typeof recipe.judge === "string" ? ground.judge.name : "ar, trained to judge";

function textsOf(measured: MeasuredTexts, judge: string, steps?: number): NonNullable<Report["reference"]> {
  const { texts: _, ...numbers } = measured;
  return { protocol: "generation", judge, ...numbers, ...(steps === undefined ? {} : { steps }) };
}

function modelOf({ run, config, parameters, measured }: Contender, parts: ReportParts, differs: string): Model {
  const { likelihood, generation, mauve, quality, infilling, masked, samples } = measured;
  const { kind, natsPerToken, bitsPerCharacter } = likelihood;
  const judge = judgeName(parts);
  const { steps, ...texts } = generation;
  const { texts: _, ...closeness } = mauve;
  const { graph } = config.sedd;
  return {
    parameters,
    differs,
    tokensSeen: run.tokens,
    trainingSeconds: run.seconds,
    ...(run.machines.length > 0 && { trainedOn: run.machines }),
    likelihood: { protocol: "likelihood", kind, natsPerToken, bitsPerCharacter },
    curve: { protocol: "validation", ...run.curve },
    generation: textsOf(texts, judge, steps),
    mauve: { protocol: "mauve", ...closeness, features: FEATURES },
    quality: {
      protocol: "quality",
      judge,
      machines: machinesOf(measured),
      points: quality.map(({ steps, perplexity, unigramEntropy, seconds }) => ({ steps, perplexity, unigramEntropy, seconds })),
    },
    infilling: {
      protocol: "infilling",
      kind: infilling.kind,
      bothSides: infilling.bothSides ?? { not: "left to right: what follows is not seen" },
      leftOnly: infilling.leftOnly,
    },
    speed: speedOf(measured, parts.contenders, parts.ground.length),
    masked: masked
      ? { protocol: "masked", points: [...masked] }
      : { not: graph === "uniform" ? "its noise has no masks" : "left to right: it reads no masks" },
    samples: [...samples],
  };
}

function speedOf(measured: Measured, contenders: ReportParts["contenders"], length: number): Model["speed"] {
  const other = contenders.get("ar")?.measured;
  const ar = other?.quality.at(-1);
  if (!other || !ar) return { not: "ar, whose perplexity would be the mark, is not compared" };
  const machines = new Set([...machinesOf(other), ...machinesOf(measured)]);
  if (machines.size > 1) return { not: `its texts, or ar's, were written on several machines: ${[...machines].join("; ")}` };
  const speed = speedAt(measured.quality, ar, length);
  return speed ? { protocol: "speed", ...speed } : { not: "does not reach ar's perplexity with the numbers of steps that were measured" };
}

/** How many texts a curve's points have, alike or one by one. */
function perPoint(points: Measured["quality"]): string {
  const alike = new Set(points.map(({ texts }) => texts)).size === 1;
  return alike ? `${points[0]!.texts} each` : points.map(({ steps, texts }) => `${texts} with ${steps} steps`).join(", ");
}

/** How each number was made. What differs between models is told by model. */
function cards(parts: ReportParts): Report["protocols"] {
  const { recipe, command, ground, contenders } = parts;
  const { settings, test, judge, length } = ground;
  const all = [...contenders];
  const byModel = (of: (measured: Measured) => string): string => {
    const told = all.map(([name, { measured }]) => [name, of(measured)] as const);
    return new Set(told.map(([, what]) => what)).size === 1 ? told[0]![1] : told.map(([name, what]) => `${name} ${what}`).join("; ");
  };
  const { data, validation, seed } = recipe.common;
  const note = recipe.written.note ? ` ${recipe.written.note}` : "";
  const beginning = settings.characters === undefined ? "" : `, its first ${settings.characters.toLocaleString("en-US")} characters`;
  const apart =
    data.separator === undefined ? "" : `, documents (apart by ${JSON.stringify(data.separator)}) with an end-of-text token between them`;
  const testFile = `${settings.test}${beginning}${apart} (SHA-256 ${test.fingerprint}…)`;
  const windowsOf = (count: number): string =>
    `${testFile}: ${Math.min(count, test.windows.length)} of its ${test.windows.length} windows of ${length} tokens, evenly spread`;
  const named = judgeName(parts);
  const judged = `${named}: ${judge.description} (SHA-256 ${judge.weights}…). It reads texts as texts, by its own tokenizer, each by itself.`;
  const seedsOf = (texts: (measured: Measured) => number): number[] =>
    Array.from({ length: Math.max(...all.map(([, { measured }]) => texts(measured))) / settings.batch }, (_, seed) => seed);
  const texts = `texts of ${length} tokens, ${settings.batch} of each seed`;
  const adaptive = ({ least, most, error }: { least: number; most: number; error: number }): string =>
    `from ${least} on until the perplexity's error is below ${100 * error} % of it, ${most} at most`;
  const { least: fewest, most, error } = settings.likelihood;
  const middle = middleOf(length);
  const base = { command };
  return {
    likelihood: {
      ...base,
      what: "−log p of the test text, per token: exact, an upper bound, or the pseudo-likelihood, which is no likelihood",
      how: `Windows of ${length} tokens, each a text by itself, a short last one included. Estimators: ${byModel(({ likelihood }) => likelihood.estimator)} (sedd eval). The error is that of the noise, the text fixed.`,
      data: testFile,
      samples: `noisy copies of each window, doubled from ${fewest} on until the error is below ${100 * error} %, ${most} at most: ${byModel(({ likelihood }) => String(likelihood.samples))}`,
      seeds: [0],
    },
    validation: {
      ...base,
      what: "The validation number while training, against tokens seen and against seconds of training",
      how: `Of the weights' moving average, on fixed windows under fixed noise: a bound (sedd, ardm), exact (ar), the cross-entropy of the chosen 15 % (mlm). The error is over batches of windows, which are the same for all models. Seconds are those of the steps without validation and checkpoints, each as long as the run's steps were where nothing disturbed them (of those of one window length and size, the ${100 * UNDISTURBED} % quantile), so that pauses and other work on the machine do not count.${note}`,
      data: data.valid.join(", "),
      samples: `${validationWindows(validation.windows)} windows of ${length} tokens every ${validation.every} steps`,
      seeds: [seed],
    },
    generation: {
      ...base,
      what: "Perplexity of samples under a judge, and beside it how varied they are and what of them the training text has",
      how:
        `Judge: ${judged} Perplexity is exp(Σ nats / Σ tokens of the judge). Unigram entropy is of each text's own tokens. Distinct-n: of the n-grams of a batch, the share of different ones. ` +
        `Repetition: of a text's ${REPEATED}-grams, the share that stood in it before. Errors are over texts (distinct-n: over batches). ` +
        `Longest copy: by a suffix automaton over all samples, through which the training text is read. The test text's row is of its windows of ${length} tokens.`,
      data: `training text ${data.train.join(", ")}; ${windowsOf(settings.generation.least)}`,
      samples: `${texts}, ${adaptive(settings.generation)}: ${byModel(({ generation }) => `${generation.texts} with ${generation.steps} steps`)}`,
      seeds: seedsOf(({ generation }) => generation.texts),
    },
    mauve: {
      ...base,
      what: "MAUVE-style score (Pillutla et al. 2021) of samples and test text: 1 for sets that cannot be told apart",
      how:
        `Features: ${FEATURES}; judge: ${named}, ${judge.description}. k-means (the best of 5 beginnings) on both sets together, histograms, area under the curve of divergences, c = 5. ` +
        `Mean over ${settings.mauve.repetitions} repetitions, each with a random half of either set and its own seed; the error is their standard deviation, which estimates that of one score of the whole sets ` +
        "(the jackknife that leaves out half). Features are not those of the paper: scores compare within this report alone.",
      data: windowsOf(settings.generation.least),
      samples: `${byModel(({ mauve }) => String(mauve.texts))} texts of either kind, the first of those that are judged`,
      seeds: Array.from({ length: settings.mauve.repetitions }, (_, seed) => seed),
    },
    quality: {
      ...base,
      what: "Perplexity and entropy of samples, and the seconds that a text takes, by number of steps",
      how: `Judge: ${named}, as for generation. Seconds are of one text where ${settings.batch} are written at once, programs compiled before; their error is over batches. ar writes a token a step; mlm and ardm settle each token once, so that a step a token is their most.${note}`,
      data: "none",
      samples: `${texts}, ${adaptive(settings.quality)}: ${byModel(({ quality }) => perPoint(quality))}`,
      seeds: seedsOf(({ quality }) => Math.max(...quality.map(({ texts }) => texts))),
    },
    infilling: {
      ...base,
      what: `Nats per token of the true middle of a text: tokens ${middle[0]} to ${middle.at(-1)} of ${length}`,
      how: "sedd and ardm: the bound on −log p(middle | rest) with the middle alone ever noisy (sedd-uniform: of the process that is clamped to the rest). mlm: the bound of the process it samples by, unmasking in random order. ar: exact, given what stands before. Given the left side alone, the text ends after the middle. The error is that of the noise, the texts fixed.",
      data: windowsOf(settings.infilling.windows),
      samples: `${settings.infilling.samples} noisy copies of each window; ar: none`,
      seeds: [0],
    },
    masked: {
      ...base,
      what: "Accuracy and cross-entropy of masked tokens by share of masked tokens",
      how: "Of each window a share of the positions is masked, and all of them are told at once, sedd at the noise that masks such a share. Positions are the same for all models, and those of a rate are among those of every higher one. Errors are over windows.",
      data: windowsOf(settings.masked.windows),
      samples: `${Math.min(settings.masked.windows, test.windows.length)} windows at each rate`,
      seeds: [0],
    },
    speed: {
      ...base,
      what: "Tokens per second of the model while writing texts of ar's perplexity",
      how: `From quality against steps: the fewest steps that come down to ar's perplexity and their seconds, by straight lines in logarithms. The error is of the seconds and of both perplexities.${note}`,
      data: "none",
      samples: "those of quality",
      seeds: seedsOf(({ quality }) => Math.max(...quality.map(({ texts }) => texts))),
    },
  };
}
