/** The report as one page that opens from disk: no scripts, nothing from elsewhere. Every number links to the card of its protocol. */
import { html, raw } from "hono/html";
import { stringify } from "yaml";
import { type Topic, figures } from "./figures.ts";
import { listed } from "./numbers.ts";
import { type Markup, type Plot, svg } from "./plot.ts";
import type { Contestant, Model, Report } from "./schema.ts";
import { summary } from "./summary.ts";
import {
  NOT_YET,
  contestantsOf,
  copiesTable,
  curveTable,
  generationTable,
  infillingTable,
  likelihoodTable,
  maskedTable,
  mauveTable,
  modelsTable,
  qualityTable,
  speedTable,
  wide,
} from "./tables.ts";

const style = raw(`
:root { color-scheme: light dark; --line: #8886; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-bottom: .3rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; padding: 0; list-style: none; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .3rem 0; opacity: .8; }
th, td { text-align: left; vertical-align: top; padding: .25rem 1rem .25rem 0; border-bottom: 1px solid var(--line); }
th[scope=row], td a { white-space: nowrap; }
td a { color: inherit; text-decoration-color: var(--line); }
td.prose { min-width: 16rem; }
.not { opacity: .8; font-style: italic; }
figure { margin: 1.5rem 0; }
.plot { display: block; width: 100%; min-width: 34rem; height: auto; }
summary { cursor: pointer; }
pre { font: inherit; white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; background: var(--soft); padding: .6rem .8rem; margin: .4rem 0 1rem; }
pre.code { font: .85rem/1.5 ui-monospace, monospace; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; font-size: .9rem; }
dd { margin: 0; overflow-wrap: anywhere; }
article:target { outline: 2px solid; outline-offset: .5rem; }
@media (max-width: 32rem) { dl { grid-template-columns: 1fr; } dt { font-weight: 600; } }
@media print {
  body { max-width: none; margin: 0; font-size: 11px; }
  table { font-size: 9px; }
  th, td { padding-right: .5rem; }
  .wide { overflow: visible; }
  .plot { min-width: 0; max-height: 9cm; }
  figure, tr, article, pre { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  nav, summary { display: none; }
  details::details-content { content-visibility: visible; }
}
`);

/** @returns the whole page; whatever the report holds is shown as text, never as markup */
export async function reportPage(report: Report): Promise<string> {
  const plots = figures(report);
  const figuresOf = (topic: Topic): Markup[] => plots[topic].map((plot) => figure(plot));
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'" />
        <title>Objectives compared</title>
        <style>
          ${style}
        </style>
      </head>
      <body>
        <h1>Objectives compared</h1>
        <p>
          ${listed(contestantsOf(report).map(([name]) => name)) || "No models"}, measured ${report.created} with ${report.package} on
          ${report.machine}. The same for machines: report.json beside this page.
        </p>
        <nav aria-label="Sections">
          <ul>
            ${Object.entries(sections).map(([id, title]) => html`<li><a href="#${id}">${title}</a></li>`)}
          </ul>
        </nav>
        ${heading("summary")}
        <p>
          ± is one standard error. Differences count from two combined standard errors on. What an error is of (noise with the test text
          fixed, samples, windows, halves of both), the protocol card of its number says; each model was trained once, so what another seed
          of training would change is in none of them.
        </p>
        ${summary(report).map(
          ({ heading, sentences }) =>
            html`<h3>${heading}</h3>
              <ul>
                ${sentences.map((sentence) => html`<li>${sentence}</li>`)}
              </ul>`,
        )}
        ${heading("models")}${modelsTable(report)}
        ${heading("likelihood")}${likelihoodTable(report)}${figuresOf("likelihood")}${numbers(curveTable(report))}
        ${heading("generation")}${generationTable(report)}${copiesTable(report)}${mauveTable(report)}
        ${heading("quality")}${figuresOf("quality")}${numbers(qualityTable(report))}${speedTable(report)}
        ${heading("masked")}${figuresOf("masked")}${numbers(maskedTable(report))}
        ${heading("infilling")}${infillingTable(report)}${figuresOf("infilling")} ${heading("samples")}
        <p>In the order of their seeds; none is left out.</p>
        ${contestantsOf(report).map(([name, model]) => samples(name, model))} ${heading("protocols")}
        <p>How each number above was measured: numbers link here.</p>
        ${Object.entries(report.protocols).map(([id, protocol]) => card(id, protocol))} ${heading("recipe")}
        <pre class="code">${stringify(report.recipe)}</pre>
      </body>
    </html> `;
  return String(await page);
}

const sections = {
  summary: "In words",
  models: "Models",
  likelihood: "Likelihood",
  generation: "Generated text",
  quality: "Quality against steps and time",
  masked: "Masked tokens",
  infilling: "Filling in",
  samples: "Samples",
  protocols: "Protocols",
  recipe: "Recipe",
} as const;

const heading = (id: keyof typeof sections): Markup => html`<h2 id="${id}">${sections[id]}</h2>`;

const figure = (plot: Plot): Markup =>
  html`<figure>
    <figcaption><strong>${plot.title}.</strong> ${plot.description} Bars: one standard error to either side.</figcaption>
    ${wide(plot.title, svg(plot))}
  </figure>`;

const numbers = (table: Markup): Markup =>
  html`<details>
    <summary>The numbers of these plots</summary>
    ${table}
  </details>`;

function samples(name: Contestant, { samples }: Model): Markup {
  if (!samples || "not" in samples)
    return html`<h3>${name}</h3>
      <p class="not">${samples?.not ?? NOT_YET}</p>`;
  return html`<h3>${name}</h3>
    ${samples.map(
      ({ seed, text }) =>
        html`<div>seed ${seed}</div>
          <pre>${`\n${text}`}</pre>`, // the first line end in a pre is not shown
    )}`;
}

const card = (id: string, { seeds, ...entries }: Report["protocols"][string]): Markup =>
  html`<article id="card-${id}">
    <h3>${id}</h3>
    <dl>
      ${Object.entries({ ...entries, seeds: seeds.join(", ") || "none" }).map(
        ([key, value]) =>
          html`<dt>${key}</dt>
            <dd>${key === "command" ? html`<code>${value}</code>` : value}</dd>`,
      )}
    </dl>
  </article>`;
