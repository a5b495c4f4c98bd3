/** The network's score: sums, single entries and rows agree with the dense log-scores, in both parameterisations. */
import { afterAll, describe, expect, test } from "vitest";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { logitOffset } from "../../src/objectives/sedd.ts";
import { random } from "../../src/platform/random.ts";
import { configOf, devices, MASK, parametersOf, variants } from "./support.ts";

/** Half of the tokens MASK. */
function noisy(n: number, seed = 5): Int32Array {
  const draw = random(seed);
  return Int32Array.from({ length: n }, () => (draw.uniform() < 0.5 ? MASK : draw.integer(MASK)));
}

/** Σ over the tokens y ≠ MASK of e^{log s_y}. */
const sumOfScores = (row: ArrayLike<number>): number =>
  Array.from(row).reduce((sum, logScore, y) => (y === MASK ? sum : sum + Math.exp(logScore)), 0);

// Float32 heads of one matrix, compiled for another number of rows or ending in a sum: 1e-5 absolute in logarithms of order 10.
const TOLERANCE = 1e-5;

test("disposing waits for what runs; afterwards a question is refused", async () => {
  const [, config] = variants[0]!;
  const model = networkScore(config, parametersOf(config), {});
  const ask = () => model.all(Int32Array.of(MASK, 0, MASK, 1), Float64Array.of(1));
  await ask();
  const [running] = await Promise.allSettled([ask(), model.dispose(), model.dispose()]);
  expect(running.status === "fulfilled" || /was disposed/.test(String(running.reason))).toBe(true);
  await expect(ask()).rejects.toThrow("the model was disposed; load it again");
});

describe.each(devices)("on %s", (device) => {
  describe.each(variants)("%s", (_, config) => {
    const model = networkScore(config, parametersOf(config), { device });
    afterAll(() => model.dispose());
    const states = MASK + 1;
    const [rows, length] = [3, 21];
    const tokens = noisy(rows * length);
    const sigma = Float64Array.of(1e-4, 0.7, 6.9);
    const masked = Int32Array.from([...tokens.keys()].filter((i) => tokens[i] === MASK));

    test("sums of the scores over the tokens", async () => {
      const all = await model.all(tokens, sigma);
      const sums = await (await model.evaluate(tokens, sigma, masked)).sums();
      expect(sums).toHaveLength(masked.length);
      masked.forEach((position, j) => {
        const dense = sumOfScores(all.subarray(position * states, (position + 1) * states));
        expect(Math.abs(Math.log(sums[j]!) - Math.log(dense))).toBeLessThan(TOLERANCE);
        if (config.parameterization === "normalized") expect(sums[j]).toBe(1 / Math.expm1(sigma[Math.floor(position / length)]!));
      });
    });

    test("single entries, in float64 of float32 logits, and 0 at the token itself", async () => {
      const all = await model.all(tokens, sigma);
      const positions = Int32Array.from(tokens.keys());
      const draw = random(8);
      const targets = Int32Array.from(positions, (position) => (position % 5 === 0 ? tokens[position]! : draw.integer(MASK)));
      const entries = await (await model.evaluate(tokens, sigma, positions)).at(targets);
      targets.forEach((target, j) => {
        if (target === tokens[j]) expect(entries[j]).toBe(0);
        else expect(Math.abs(entries[j]! - all[j * states + target]!)).toBeLessThan(TOLERANCE);
      });
    });

    test("whole rows, of any of the positions, in any order, repeated, asked for twice", async () => {
      const all = await model.all(tokens, sigma);
      const score = await model.evaluate(tokens, sigma, masked);
      for (const which of [Int32Array.of(0), Int32Array.of(5, 2, 2, 9, 0), Int32Array.from(masked.keys()), new Int32Array(0)]) {
        const some = await score.rows(which);
        expect(some).toHaveLength(which.length * states);
        which.forEach((j, k) => {
          for (let y = 0; y < MASK; y++) expect(Math.abs(some[k * states + y]! - all[masked[j]! * states + y]!)).toBeLessThan(TOLERANCE);
        });
      }
    });

    test("positions are asked about in any order, and none at all may be", async () => {
      const backwards = masked.toReversed();
      const forwards = await (await model.evaluate(tokens, sigma, masked)).sums();
      expect(await (await model.evaluate(tokens, sigma, backwards)).sums()).toEqual(forwards.toReversed());
      expect(await (await model.evaluate(tokens, sigma, new Int32Array(0))).sums()).toHaveLength(0);
    });

    test("more positions than one call of the head takes", async () => {
      const long = noisy(2 * 600);
      const noise = Float64Array.of(0.2, 2);
      const positions = Int32Array.from(long.keys());
      const score = await model.evaluate(long, noise, positions);
      const [sums, entries] = [await score.sums(), await score.at(new Int32Array(long.length).fill(3))];
      const edges = Int32Array.of(0, 1023, 1024, 1199);
      const rowsThere = await score.rows(edges);
      edges.forEach((j, k) => {
        const row = rowsThere.subarray(k * states, (k + 1) * states);
        if (long[j] !== 3) expect(Math.abs(row[3]! - entries[j]!)).toBeLessThan(TOLERANCE);
        if (config.parameterization === "score") {
          const dense = sumOfScores(row);
          expect(Math.abs(Math.log(sums[j]!) - Math.log(dense))).toBeLessThan(TOLERANCE);
        }
      });
    });

    test("what depends on σ beside the network is what the parameterisation says", async () => {
      // Two noises so close that float32 does not tell them apart: the network sees one σ, the log-scores differ by the offset alone.
      const [a, b] = [1e-3, 1e-3 * (1 + 1e-9)];
      expect(Math.fround(a)).toBe(Math.fround(b));
      const offset = (s: number): number => (config.parameterization === "normalized" ? -Math.log(Math.expm1(s)) : logitOffset(config, s));
      const positions = masked.filter((position) => position < length);
      const targets = new Int32Array(positions.length).fill(1);
      const at = async (s: number): Promise<Float64Array> =>
        (await model.evaluate(tokens.slice(0, length), Float64Array.of(s), positions)).at(targets);
      const [left, right] = [await at(a), await at(b)];
      left.forEach((value, j) => expect(Math.abs(value - right[j]! - (offset(a) - offset(b)))).toBeLessThan(1e-13));
    });
  });

  test("normalized: the scores of a MASK sum to 1/(e^σ − 1), and MASK itself has none", async () => {
    const config = configOf("normalized");
    const model = networkScore(config, parametersOf(config), { device });
    const tokens = new Int32Array(8).fill(MASK);
    const positions = Int32Array.from(tokens.keys());
    for (const sigma of [1e-4, 0.1, 1, 6.9]) {
      const rows = await (await model.evaluate(tokens, Float64Array.of(sigma), positions)).rows(positions);
      for (const j of positions) {
        const row = rows.subarray(j * (MASK + 1), (j + 1) * (MASK + 1));
        // Relative: float32 logarithms of order 10 are within 1e-6, and there are fourteen of them.
        expect(Math.abs(sumOfScores(row) * Math.expm1(sigma) - 1)).toBeLessThan(1e-5);
        expect(Math.exp(row[MASK]!)).toBe(0);
      }
    }
    await model.dispose();
  });

  test("the time spent in the network is handed out once", async () => {
    const config = configOf("score");
    const model = networkScore(config, parametersOf(config), { device });
    expect(model.takeNetworkTime()).toBe(0);
    await model.all(noisy(8), Float64Array.of(1));
    expect(model.takeNetworkTime()).toBeGreaterThan(0);
    expect(model.takeNetworkTime()).toBe(0);
    expect([model.graph.kind, model.graph.states, model.graph.mask]).toEqual(["absorb", MASK + 1, MASK]);
    await model.dispose();
  });
});
