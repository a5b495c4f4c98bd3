/**
 * A training run becomes a shipped model: `node scripts/ship-model.mjs runs/fairytales models/fairytales data/fairytales/test.txt [--quick]`.
 * Writes the averaged weights in half precision with configuration and tokenizer, evaluates what it has written, and writes the card: data,
 * recipe, cost, bound, and the samples of seeds 0–9 in order. `--quick` evaluates the first 60,000 characters only, and says so.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { load, readModel, saveModel } from "../dist/model.js";

const [run, out, test, quick] = process.argv.slice(2);
if (!test) throw new Error("usage: node scripts/ship-model.mjs RUN OUT TEST_FILE [--quick]");

const stored = await readModel(run, "ema");
await saveModel(out, { ...stored, dtype: "F16" });

const metrics = readFileSync(join(run, "metrics.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));
const last = metrics.findLast(({ kind }) => kind === "step");
const validation = metrics.findLast(({ kind }) => kind === "validation");
const recipe = readFileSync(join(run, "recipe.yaml"), "utf8").trim();

const model = await load(out);
const whole = readFileSync(test, "utf8");
const text = quick ? whole.slice(0, 60_000) : whole;
const bound = await model.likelihood(text, { samples: 8, seed: 0 });
const samples = [];
for (let seed = 0; seed < 10; seed++) samples.push((await model.sample({ seed, steps: 128 }))[0].text);
await model.dispose();

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

## Recipe

\`\`\`yaml
${recipe}
\`\`\`

## Samples

Seeds 0 to 9 in order, unselected, ${model.length} tokens, 128 analytic steps: \`npx sedd sample --seed S --steps 128\`.

${samples.map((sample, seed) => `### Seed ${seed}\n\n${indent(sample)}`).join("\n\n")}
`,
);
console.log(`${out}: ${bound.bitsPerCharacter.toFixed(4)} bits per character on ${scope}`);
