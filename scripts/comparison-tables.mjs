/** The tables of docs/comparison.md from a report: `node scripts/comparison-tables.mjs comparison/report.json`. Then what the report says in words, to be told by hand. */
import { readFileSync } from "node:fs";
import { duration, percent, withError } from "../dist/evaluation/report/numbers.js";
import { given, reportSchema } from "../dist/evaluation/report/schema.js";
import { summary } from "../dist/evaluation/report/summary.js";

const path = process.argv[2];
if (!path) throw new Error("usage: node scripts/comparison-tables.mjs REPORT.json");

const report = reportSchema.parse(JSON.parse(readFileSync(path, "utf8")));
const models = Object.entries(report.models);

/** A number with its error, or what stands in its place. */
const number = (estimate, otherwise = "") => (estimate ? withError(estimate) : otherwise);

function table(columns, rows) {
  for (const cells of [columns, columns.map(() => "---"), ...rows]) console.log(`| ${cells.join(" | ")} |`);
  console.log();
}

function textsOf(section) {
  const texts = given(section);
  return texts
    ? { numbers: [withError(texts.perplexity), withError(texts.unigramEntropy)], copy: texts.longestCopy.characters }
    : { numbers: ["", ""], copy: "" };
}

const reference = textsOf(report.reference);
table(
  [
    ...["model", "nats per token", "bits per character", "what it is"],
    ...["generative perplexity", "unigram entropy", "MAUVE-style", "longest copy, characters"],
  ],
  [
    ...models.map(([name, { likelihood, generation, mauve }]) => {
      const likely = given(likelihood);
      const { numbers, copy } = textsOf(generation);
      const told = likely ? [withError(likely.natsPerToken), withError(likely.bitsPerCharacter), likely.kind] : ["", "", ""];
      return [`\`${name}\``, ...told, ...numbers, number(given(mauve)), copy];
    }),
    ["test text", "", "", "", ...reference.numbers, "", reference.copy],
  ],
);

table(
  ["model", "training of one core", "middle, both sides", "middle, left side", "tokens a second at `ar`'s perplexity"],
  models.map(([name, { trainingSeconds, infilling, speed }]) => {
    const middle = given(infilling);
    return [
      `\`${name}\``,
      duration(trainingSeconds),
      number(given(middle?.bothSides), "not seen"),
      number(given(middle?.leftOnly)),
      number(given(speed)?.tokensPerSecond, "not reached"),
    ];
  }),
);

table(
  ["model", "steps", "generative perplexity", "unigram entropy", "a text"],
  models.flatMap(([name, { quality }]) =>
    (given(quality)?.points ?? []).map(({ steps, perplexity, unigramEntropy, seconds }) => [
      ...[`\`${name}\``, steps, withError(perplexity), withError(unigramEntropy), duration(seconds.value)],
    ]),
  ),
);

const masked = models.filter(([, model]) => given(model.masked));
const rates = new Set(masked.flatMap(([, model]) => given(model.masked).points.map(({ rate }) => rate)));
table(
  ["masked", ...masked.flatMap(([name]) => [`\`${name}\`, nats`, "accuracy"])],
  [...rates].map((rate) => [
    percent(rate),
    ...masked.flatMap(([, model]) => {
      const point = given(model.masked).points.find((one) => one.rate === rate);
      return [number(point?.crossEntropy), number(point?.accuracy)];
    }),
  ]),
);

for (const { heading, sentences } of summary(report)) console.log(`${heading}\n${sentences.map((sentence) => `- ${sentence}\n`).join("")}`);
