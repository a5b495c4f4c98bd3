/** The report's tables: a row for each model, and where a model has no number, why. */
import { html } from "hono/html";
import { compact, duration, percent, withError } from "./numbers.ts";
import type { Markup } from "./plot.ts";
import {
  type Contestant,
  type Estimate,
  type Given,
  type Model,
  type Report,
  contestantNames,
  contestants,
  given,
  kinds,
} from "./schema.ts";

export const NOT_YET = "not measured yet";

export const contestantsOf = ({ models }: Report): [Contestant, Model][] =>
  contestantNames.flatMap((name) => (models[name] ? [[name, models[name]] as [Contestant, Model]] : []));

/** Wide content scrolls by itself, from the keyboard too. */
export const wide = (label: string, content: Markup): Markup =>
  html`<div class="wide" role="region" tabindex="0" aria-label="${label}">${content}</div>`;

interface Row {
  readonly head: string;
  readonly cells: readonly Markup[];
}

const table = (caption: string, columns: readonly string[], rows: readonly Row[]): Markup =>
  wide(
    caption,
    html`<table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${columns.map((column) => html`<th scope="col">${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ head, cells }) =>
            html`<tr>
              <th scope="row">${head}</th>
              ${cells}
            </tr> `,
        )}
      </tbody>
    </table>`,
  );

/** Long text gets room. */
const cell = (content: string | number): Markup => html`<td class="${String(content).length > 24 ? "prose" : ""}">${content}</td>`;
const linked = (protocol: string, estimate: Estimate): Markup => html`<td><a href="#card-${protocol}">${withError(estimate)}</a></td>`;
const none = (section: { readonly not: string } | object | undefined, columns: number): Markup =>
  html`<td colspan="${columns}" class="not">${section && "not" in section ? section.not : NOT_YET}</td>`;

type Section = { readonly protocol: string } | { readonly not: string } | undefined;
/** A column's heading and what stands in it; an estimate becomes a number that leads to its card. */
type Column<P> = readonly [string, (point: P) => Estimate | string | number];

/** A row for each point of each section; one cell all across where there is no section. */
function pointsTable<S extends Section, P>(
  sections: readonly (readonly [string, S])[],
  caption: string,
  pointsOf: (section: Given<S>) => readonly P[],
  columns: readonly Column<P>[],
): Markup {
  const rows = sections.flatMap(([head, section]): Row[] => {
    const measured = given<NonNullable<S>>(section ?? undefined);
    if (!measured) return [{ head, cells: [none(section, columns.length)] }];
    const { protocol } = measured as { readonly protocol: string };
    return pointsOf(measured as Given<S>).map((point) => ({
      head,
      cells: columns.map(([, of]) => {
        const content = of(point);
        return typeof content === "object" ? linked(protocol, content) : cell(content);
      }),
    }));
  });
  return table(caption, ["model", ...columns.map(([name]) => name)], rows);
}

const sectionTable = <S extends Section>(
  sections: readonly (readonly [string, S])[],
  caption: string,
  columns: readonly Column<Given<S>>[],
): Markup => pointsTable(sections, caption, (section) => [section], columns);

const sectionsOf = <K extends keyof Model>(report: Report, key: K): [Contestant, Model[K]][] =>
  contestantsOf(report).map(([name, model]) => [name, model[key]]);

export const modelsTable = (report: Report): Markup =>
  table(
    "What was trained, on one tokenizer and one order of the data",
    ["model", "trained for", "parameters", "tokens seen", "training", "on", "what differs on the trunk"],
    contestantsOf(report).map(([name, { parameters, tokensSeen, trainingSeconds, trainedOn = [], differs }]) => ({
      head: name,
      cells: [
        ...[contestants[name], parameters.toLocaleString("en-US"), compact(tokensSeen)],
        ...[duration(trainingSeconds), trainedOn.join("; ") || "not written down", differs],
      ].map(cell),
    })),
  );

export const likelihoodTable = (report: Report): Markup =>
  sectionTable(sectionsOf(report, "likelihood"), "Negative log-likelihood of the test file: exact, a bound from above, or neither", [
    ["nats per token", ({ natsPerToken }) => natsPerToken],
    ["bits per character", ({ bitsPerCharacter }) => bitsPerCharacter],
    ["what it is", ({ kind }) => kinds[kind]],
  ]);

export const curveTable = (report: Report): Markup =>
  pointsTable(sectionsOf(report, "curve"), "Validation while training", ({ kind, points }) => points.map((point) => ({ kind, ...point })), [
    ["tokens seen", ({ tokens }) => compact(tokens)],
    ["training", ({ seconds }) => duration(seconds)],
    ["nats per token", ({ natsPerToken }) => natsPerToken],
    ["what it is", ({ kind }) => kinds[kind]],
  ]);

/** Of samples, and of the test text as if it were samples. */
const texts = (report: Report): [string, Model["generation"]][] => [...sectionsOf(report, "generation"), ["test text", report.reference]];

export function generationTable(report: Report): Markup {
  const sizes = new Set(texts(report).flatMap(([, section]) => given(section)?.distinct.map(({ n }) => n) ?? []));
  const distinct = [...sizes].map(
    (n) => [`distinct-${n}`, ({ distinct }) => distinct.find((one) => one.n === n)?.share ?? "—"] as Column<Given<Model["generation"]>>,
  );
  return sectionTable(texts(report), "Perplexity under the judge, never without how varied the text is", [
    ["generative perplexity", ({ perplexity }) => perplexity],
    ["the same in bits per character", ({ bitsPerCharacter }) => bitsPerCharacter ?? "—"],
    ["unigram entropy, nats", ({ unigramEntropy }) => unigramEntropy],
    ...distinct,
    ["repetition", ({ repetition }) => repetition],
    ["steps", ({ steps }) => steps ?? "—"],
    ["judge", ({ judge }) => judge],
  ]);
}

export const copiesTable = (report: Report): Markup =>
  sectionTable(texts(report), "The longest stretch that stands word for word in the training text", [
    ["characters", ({ longestCopy }) => longestCopy.characters],
    ["text", ({ longestCopy }) => longestCopy.text],
  ]);

export const mauveTable = (report: Report): Markup =>
  sectionTable(
    sectionsOf(report, "mauve"),
    "MAUVE-style score against the test text (1: no difference); its error is the spread over seeds",
    [
      ["score", (mauve) => mauve],
      ["features", ({ features }) => features],
      ["clusters", ({ clusters }) => clusters],
    ],
  );

export const qualityTable = (report: Report): Markup =>
  pointsTable(sectionsOf(report, "quality"), "Samples by number of steps", ({ points }) => points, [
    ["steps", ({ steps }) => steps],
    ["generative perplexity", ({ perplexity }) => perplexity],
    ["unigram entropy, nats", ({ unigramEntropy }) => unigramEntropy],
    ["seconds per text", ({ seconds }) => seconds],
  ]);

export const speedTable = (report: Report): Markup =>
  sectionTable(sectionsOf(report, "speed"), "Speed while writing texts of equal quality", [
    ["tokens per second", ({ tokensPerSecond }) => tokensPerSecond],
    ["at generative perplexity", ({ perplexity }) => perplexity],
    ["steps", ({ steps }) => steps],
  ]);

/** Of the models that are compared so: it is not asked of all. */
export const maskedTable = (report: Report): Markup =>
  pointsTable(
    sectionsOf(report, "masked").filter(([, section]) => section),
    "Masked tokens given the others, on the same positions",
    ({ points }) => points,
    [
      ["masked", ({ rate }) => percent(rate)],
      ["accuracy", ({ accuracy }) => accuracy],
      ["nats per masked token", ({ crossEntropy }) => crossEntropy],
    ],
  );

export const infillingTable = (report: Report): Markup =>
  table(
    "Nats per token of the true middle of a text, given what is around it",
    ["model", "both sides", "left side only", "what it is"],
    sectionsOf(report, "infilling").map(([head, section]) => {
      const measured = given(section);
      if (!measured) return { head, cells: [none(section, 3)] };
      const sides = [measured.bothSides, measured.leftOnly].map((side) => {
        const estimate = given(side);
        return estimate ? linked(measured.protocol, estimate) : none(side, 1);
      });
      return { head, cells: [...sides, cell(kinds[measured.kind])] };
    }),
  );
