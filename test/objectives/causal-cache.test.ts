/** A causal network from its cache of keys and values tells what it tells without one. */
import { afterAll, describe, expect, test } from "vitest";
import type { ScoreModel } from "../../src/diffusion/score.ts";
import { networkScore } from "../../src/objectives/sedd-score.ts";
import { devices, MASK, parametersOf, plainConfig, textOf } from "./support.ts";

const config = plainConfig("ar");
const ROWS = 3;
const LENGTH = 40;

describe.each(devices)("on %s", (device) => {
  const score = networkScore(config, parametersOf(config), { device });
  afterAll(() => score.dispose());

  /** Log-scores of one position in every row. */
  const rowsAt = async (model: ScoreModel, tokens: Int32Array, position: number, rows = ROWS) => {
    const positions = Int32Array.from({ length: rows }, (_, r) => r * (tokens.length / rows) + position);
    const answer = await model.evaluate(tokens, new Float64Array(rows).fill(Math.LN2), positions);
    return answer.rows(Int32Array.from(positions.keys()));
  };
  const expectSame = (a: ArrayLike<number>, b: ArrayLike<number>, what: string) => {
    // MASK is closed: its entry is −1e30 and means nothing. Log-probabilities of order 10 in float32.
    for (let k = 0; k < a.length; k++) if (k % (MASK + 1) !== MASK) expect(Math.abs(a[k]! - b[k]!), what).toBeLessThan(5e-6);
  };
  const clean = textOf(ROWS * LENGTH);
  /** What a sampler has when position i is next: MASKs from there on. */
  const until = (i: number, text = clean) => text.map((token, at) => (at % LENGTH < i ? token : MASK));

  test("token by token, over several sizes of the cache", async () => {
    const run = score.forRun!();
    for (let i = 0; i < LENGTH; i++) expectSame(await rowsAt(run, until(i), i), await rowsAt(score, until(i), i), `position ${i}`);
  });

  test("over given pieces, where several tokens join at once, and in texts that are asked about in turn", async () => {
    const run = score.forRun!();
    const other = textOf(ROWS * LENGTH, 5);
    for (const i of [0, 1, 2, 9, 10, 30, 31, 5])
      for (const text of [clean, other])
        expectSame(await rowsAt(run, until(i, text), i), await rowsAt(score, until(i, text), i), `position ${i}`);
  });

  test("rows of one buffer, as a run's pieces are: one buffer, other places; a text that was changed is read anew", async () => {
    const run = score.forRun!();
    const both = Int32Array.from([...clean, ...textOf(LENGTH, 5)]);
    for (let i = 0; i < 6; i++) {
      if (i === 4) both[1] = (both[1]! + 1) % MASK;
      for (const part of [both.subarray(0, clean.length), both.subarray(clean.length)]) {
        const rows = part.length / LENGTH;
        expectSame(await rowsAt(run, part, i, rows), await rowsAt(score, part, i, rows), `position ${i}`);
      }
    }
  });

  test("questions about several positions", async () => {
    const positions = Int32Array.of(3, 7, LENGTH + 1);
    const ask = async (model: ScoreModel) =>
      (await model.evaluate(clean, new Float64Array(ROWS).fill(1), positions)).rows(Int32Array.of(0, 1, 2));
    expect(await ask(score.forRun!())).toEqual(await ask(score));
  });

  test("a row is the same, to the bit, alone and beside others", async () => {
    const [three, one] = [score.forRun!(), score.forRun!()];
    for (let i = 0; i < 20; i++) {
      const all = await rowsAt(three, until(i), i);
      expect(all.slice(0, MASK + 1)).toEqual(await rowsAt(one, until(i).slice(0, LENGTH), i, 1));
    }
  });
});
