/**
 * What a row of the network buys: the variance of the default likelihood estimator against the plain one (t uniform, tokens masked at σ(t), the loss weighted by dσ/dt), on
 * the shipped model. Both are unbiased; compared is the standard error at an equal number of rows. `node bench/likelihood.mjs [windows] [plain rows a window]`
 */
import { readFileSync } from "node:fs";
import { load } from "../dist/index.js";
import { machine } from "./harness.mjs";

const [count, plainRows] = [Number(process.argv[2] ?? 8), Number(process.argv[3] ?? 48)];
const model = await load("fairytales");
const length = model.length;
const states = model.tokenizer.size + 1;
const mask = states - 1;
const file = new URL("../data/fairytales/test.txt", import.meta.url);
// A text of exactly this many windows: cut where a token ends that can be read back alone.
const all = model.tokenizer.encode(readFileSync(file, "utf8").slice(0, count * length * 6));
let text = model.tokenizer.decode(all.subarray(0, count * length));
while (model.tokenizer.encode(text).length > count * length) text = text.slice(0, -1);
const tokens = model.tokenizer.encode(text);
console.log(`${machine()}; model ${model.name}, ${tokens.length} tokens in ${Math.ceil(tokens.length / length)} windows`);

const samples = 16;
const { natsPerToken, standardError, protocol } = await model.likelihood(text, { samples });
const rows = protocol.networkRows;
console.log(`default: ${natsPerToken.toFixed(4)} ± ${standardError.toFixed(4)} nats a token with ${rows} rows`);

// Per window the spread of single plain estimates; the estimate of the text is the mean over windows.
let variance = 0;
let mean = 0;
let state = 1;
const uniform = () => (state = (state * 48271) % 2147483647) / 2147483647;
for (let w = 0; w * length < tokens.length; w++) {
  const clean = tokens.slice(w * length, (w + 1) * length);
  const values = [];
  for (let k = 0; k < plainRows; k++) {
    const t = 1e-5 + uniform() * (1 - 1e-5);
    const share = (1 - 1e-3) * t;
    const noisy = clean.map((token) => (uniform() < share ? mask : token));
    const sigma = -Math.log1p(-share);
    const scores = await model.logScore(noisy, Float64Array.of(sigma));
    let sum = 0;
    noisy.forEach((token, i) => {
      if (token === mask) sum -= scores[i * states + clean[i]] + Math.log(Math.expm1(sigma));
    });
    values.push(sum / t);
  }
  const centre = values.reduce((a, b) => a + b) / plainRows;
  mean += centre;
  variance += values.reduce((a, b) => a + (b - centre) ** 2, 0) / (plainRows - 1);
}
// Every window gets as many rows as the default spent on it.
const plainError = Math.sqrt(variance / (rows / Math.ceil(tokens.length / length))) / tokens.length;
console.log(`plain:   ${(mean / tokens.length).toFixed(4)} nats a token, ± ${plainError.toFixed(4)} with as many rows`);
console.log(`standard error at equal rows, default / plain: ${(standardError / plainError).toFixed(3)}`);
await model.dispose();
