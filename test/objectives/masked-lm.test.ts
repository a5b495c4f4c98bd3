/** BERT's corruption, and that the loss is the mean cross-entropy over what it chose. */
import { describe, expect, test } from "vitest";
import { maskedLanguageModel } from "../../src/objectives/masked-lm.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { random } from "../../src/platform/random.ts";
import { chiSquare, chiSquareLimit } from "../support/statistics.ts";
import { devices, lossOf, MASK, parametersOf, plainConfig, textOf } from "./support.ts";

const config = plainConfig("mlm");
const objective = maskedLanguageModel(config.network);

test("15 % of every window's positions are chosen, evenly; 80/10/10 of them masked, redrawn, left", () => {
  const [batch, length] = [200, 40];
  const tokens = textOf(batch * length);
  const [place, fate] = [new Float64Array(length), new Float64Array(3)];
  for (let seed = 0; seed < 20; seed++) {
    const { feeds } = objective.corrupt(tokens, { batch, length }, random(seed), true);
    const [noisy, rows] = [feeds["tokens"] as Int32Array, feeds["rows"] as Int32Array];
    const perWindow = new Float64Array(batch);
    for (const at of rows) {
      perWindow[Math.floor(at / length)]!++;
      place[at % length]!++;
      fate[noisy[at] === MASK ? 0 : noisy[at] === tokens[at] ? 2 : 1]!++;
    }
    expect(new Set(perWindow)).toEqual(new Set([6]));
    const chosen = new Set(rows);
    noisy.forEach((token, at) => chosen.has(at) || expect(token).toBe(tokens[at]));
  }
  // A redrawn token is its own once in V.
  const law = [0.8, 0.1 * (1 - 1 / MASK), 0.1 + 0.1 / MASK];
  for (const [counts, expected] of [
    [place, new Float64Array(length).fill(1 / length)],
    [fate, law],
  ] as const) {
    const { statistic, freedom } = chiSquare(counts, expected);
    expect(statistic).toBeLessThan(Math.max(chiSquareLimit(freedom), 28)); // 28: two degrees' own 1e-6 point
  }
});

test("a short window has at least one chosen position, which counts for all of them", () => {
  const { feeds, capacity } = objective.corrupt(textOf(4), { batch: 2, length: 2 }, random(1), true);
  expect(capacity).toBe(2);
  expect([...(feeds["weight"] as Float32Array)]).toEqual([2, 2]);
});

describe.each(devices)("on %s", (device) => {
  test("the loss a token is the mean over chosen positions of −log p(token | what is shown)", async () => {
    const shape = { batch: 4, length: 20 };
    const parameters = parametersOf(config);
    const clean = textOf(80);
    const corruption = objective.corrupt(clean, shape, random(3), false);
    const { sum } = await lossOf(config, parameters, shape, corruption, device, false);
    const rows = corruption.feeds["rows"] as Int32Array;
    const score = networkScore(config, parameters, { device });
    // At σ = ln 2 a log-score is a log-probability; `rows` has it at a position that is not masked, too.
    const answer = await score.evaluate(corruption.feeds["tokens"] as Int32Array, new Float64Array(4).fill(Math.LN2), rows);
    const logs = await answer.rows(Int32Array.from(rows.keys()));
    await score.dispose();
    const nats = rows.reduce((total, at, k) => total - logs[k * (MASK + 1) + clean[at]!]!, 0);
    expect(rows).toHaveLength(12);
    expect(Math.abs(sum / 80 / (nats / 12) - 1)).toBeLessThan(1e-6);
  });
});
