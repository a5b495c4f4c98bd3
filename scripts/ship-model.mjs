/**
 * A training run becomes a shipped model: `node scripts/ship-model.mjs runs/fairytales models/fairytales data/fairytales/test.txt [--trial RUN …] [--quick]`.
 * Writes the averaged weights in half precision with configuration and tokenizer, evaluates what it has written, and writes the card: data,
 * recipe, cost, bound, and the samples of seeds 0–9 in order. The card also has the bound of every `--trial`, evaluated in the same way: runs of equal
 * compute that differ in one thing. `--quick` evaluates the first 60,000 characters only, and says so.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { load, readModel, saveModel } from "../dist/model.js";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { trial: { type: "string", multiple: true, default: [] }, quick: { type: "boolean", default: false } },
});
const [run, out, test] = positionals;
const { quick } = values;
if (!test) throw new Error("usage: node scripts/ship-model.mjs RUN OUT TEST_FILE [--trial RUN ...] [--quick]");

/** What a run's folder says of it. */
function history(folder) {
  const metrics = readFileSync(join(folder, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const last = (wanted) => metrics.findLast(({ kind }) => kind === wanted);
  return { step: last("step"), validation: last("validation"), recipe: readFileSync(join(folder, "recipe.yaml"), "utf8").trim() };
}

const stored = await readModel(run, "ema");
await saveModel(out, { ...stored, dtype: "F16" });
const { step: last, validation, recipe } = history(run);

const model = await load(out);
const whole = readFileSync(test, "utf8");
const text = quick ? whole.slice(0, 60_000) : whole;
const protocol = { samples: 8, seed: 0 };
const bound = await model.likelihood(text, protocol);
const samples = [];
for (let seed = 0; seed < 10; seed++) samples.push((await model.sample({ seed, steps: 128 }))[0].text);
await model.dispose();

const trials = [];
for (const folder of values.trial) {
  const trial = await load(folder);
  const { step } = history(folder);
  const { natsPerToken, standardError, bitsPerCharacter } = await trial.likelihood(text, { ...protocol, samples: 2 });
  const { parameterization } = trial.config.sedd;
  trials.push(
    `| \`${parameterization}\` | ${step.step.toLocaleString("en")} steps, ${(step.tokens / 1e6).toFixed(2)} M tokens | ${natsPerToken.toFixed(4)} ± ${standardError.toFixed(4)} nats a token, ${bitsPerCharacter.toFixed(3)} bits per character |`,
  );
  await trial.dispose();
}
const comparison =
  trials.length === 0
    ? ""
    : `## Both parameterisations, at equal compute

Trained side by side from scratch by the recipe below but for the parameterisation and the number of steps, one core each; bounds on ${quick ? "that part of the test file" : "the test file"}, as above but with 2 noisy copies.

| parameterisation | trained for | bound |
|---|---|---|
${trials.join("\n")}

`;

const indent = (paragraph) =>
  paragraph
    .split("\n")
    .map((line) => `    ${line}`.trimEnd())
    .join("\n");
const name = out.split(/[\\/]/).at(-1);
const { network } = stored.config.sedd;
const scope = quick ? `the first ${text.length.toLocaleString("en")} characters of \`${test}\`` : `\`${test}\` (all of it)`;
const terms = Object.entries(bound.protocol.terms).map(([term, nats]) => `${term} ${nats.toFixed(4)}`);
writeFileSync(
  join(out, "README.md"),
  `# ${name}

A small SEDD-absorb model (score-entropy discrete diffusion, parameterisation \`${stored.config.sedd.parameterization}\`) of English fairy tales, trained by this project on two
processor cores. It writes pastiche, not prose to rely on; its texts are of their time, 19th and early 20th century. Licence: MIT; the corpus is in the public domain in the USA
(\`data/fairytales/README.md\`).

| | |
|---|---|
| parameters | ${model.parameterCount.toLocaleString("en")}: ${network.layers} layers, width ${network.hidden}, ${network.heads} heads, trained at up to ${model.length} tokens |
| tokenizer | byte-level BPE, ${network.states - 1} tokens, trained on the training file |
| file | \`model.safetensors\`, half precision; the moving average of the weights |
| training | ${last.step.toLocaleString("en")} steps, ${(last.tokens / 1e6).toFixed(1)} M tokens, ${(last.seconds / 3600).toFixed(2)} h on two cores of an ${cpus()[0].model.trim()}, shared with other work |
| likelihood bound | **${bound.bitsPerCharacter.toFixed(3)} bits per character** on ${scope}: ${bound.natsPerToken.toFixed(4)} ± ${bound.standardError.toFixed(4)} nats a token (${terms.join(", ")}), ${bound.protocol.samples} noisy copies of each window of ${bound.protocol.window} tokens |
| validation at the end of training | ${validation.natsPerToken.toFixed(3)} ± ${validation.standardError.toFixed(3)} nats a token (error over windows) |

The bound is what \`npx sedd eval --data ${test} --samples 8 --seed 0\` prints${quick ? " for that part of the file" : ""}. Curves and trials: [docs/models.md](../../docs/models.md).

${comparison}## Recipe

\`\`\`yaml
${recipe}
\`\`\`

## Samples

Seeds 0 to 9 in order, unselected, ${model.length} tokens, 128 analytic steps: \`npx sedd sample --seed S --steps 128\`.

${samples.map((sample, seed) => `### Seed ${seed}\n\n${indent(sample)}`).join("\n\n")}
`,
);
console.log(`${out}: ${bound.bitsPerCharacter.toFixed(4)} bits per character on ${scope}`);
