import { describe, expect, it } from "vitest";
import { absorb } from "../../src/diffusion/absorb.ts";
import type { Graph } from "../../src/diffusion/graph.ts";
import { denseScore } from "../../src/diffusion/score.ts";
import { uniform } from "../../src/diffusion/uniform.ts";

describe("denseScore", () => {
  const graph: Graph = absorb(2);
  const values = Float64Array.from({ length: 2 * 3 * 3 }, (_, k) => Math.log(k + 1));
  const tokens = Int32Array.of(2, 0, 2, 1, 2, 2);
  const ask = (all: Float32Array | Float64Array, positions = [0, 2, 4], g = graph) =>
    denseScore(() => all, g).evaluate(tokens, Float64Array.of(0.1, 0.2), Int32Array.from(positions));

  it("sums over y ≠ x, at any asked position", async () => {
    expect([...(await (await ask(values)).sums())].map((s) => Math.round(s * 1e9) / 1e9)).toEqual([1 + 2, 7 + 8, 13 + 14]);
    const everywhere = await (await ask(values, [1, 3], uniform(3))).sums();
    expect([...everywhere].map((s) => Math.round(s * 1e9) / 1e9)).toEqual([5 + 6, 10 + 12]);
  });
  it("gives one log-score per position, 0 at the token itself", async () => {
    expect([...(await (await ask(values)).at(Int32Array.of(1, 0, 2)))]).toEqual([Math.log(2), Math.log(7), 0]);
  });
  it("gives whole rows of the positions that are named", async () => {
    const rows = await (await ask(values)).rows(Int32Array.of(2, 0));
    expect([...rows]).toEqual([13, 14, 15, 1, 2, 3].map(Math.log));
  });
  it("takes float32, and promises", async () => {
    const model = denseScore(async () => new Float32Array(18).fill(0.5), graph);
    const at = await model.evaluate(tokens, Float64Array.of(1, 1), Int32Array.of(0));
    expect((await at.sums())[0]).toBeCloseTo(2 * Math.exp(0.5), 12);
  });
  it("hands out copies: a function that writes to its arguments does no harm", async () => {
    const mine = tokens.slice();
    await denseScore((given, sigma) => {
      given.fill(0);
      sigma.fill(0);
      return values;
    }, graph).evaluate(mine, Float64Array.of(0.1, 0.2), Int32Array.of(0));
    expect(mine).toEqual(tokens);
  });

  it("refuses a wrong length, naming the shape", async () => {
    await expect(ask(new Float64Array(17))).rejects.toThrow("the score returned 17 numbers, not 2 rows × 3 positions × 3 states");
  });
  it("refuses NaN and +Infinity at an asked position, naming row, position and state; −Infinity is a score of zero", async () => {
    for (const bad of [NaN, Infinity]) {
      const broken = values.slice();
      broken[4 * 3 + 1] = bad;
      await expect(ask(broken)).rejects.toThrow(`the score at row 1, position 1, state 1 is ${bad}`);
      await expect(ask(broken, [0, 2])).resolves.toBeDefined();
    }
    const zero = values.slice();
    zero[1] = -Infinity;
    expect([...(await (await ask(zero)).sums())][0]).toBeCloseTo(1, 12);
  });
  it("ignores whatever stands at the token itself", async () => {
    const own = values.slice();
    own[2] = NaN;
    expect((await (await ask(own)).sums())[0]).toBeCloseTo(3, 12);
  });
});
