/** What the page tells of each position, from the frames of real runs over a score that is known. */
import { absorb, logLinear, sampleFrom, type PositionLaw, type SamplerName } from "sedd";
import { describe, expect, it } from "vitest";
import type { Frame } from "../../playground/backend/backend.ts";
import { changesOf, tokensAt } from "../../playground/parts/history.ts";
import { entropySummary, writtenSummary } from "../../playground/scrub/along.tsx";

const law = [0.7, 0.25, 0.05];
const mask = law.length;
const length = 12;

/** Frames of one text whose tokens are drawn from `law`; the first two are given. */
async function framesOf(sampler: SamplerName, steps: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  await sampleFrom(
    (tokens, sigma) => Float64Array.from({ length: tokens.length * 4 }, (_, i) => Math.log((law[i % 4] ?? 1) / Math.expm1(sigma[0]!))),
    {
      ...{ graph: absorb(mask), noise: logLinear(), sampler, steps, length, seed: 4, prompt: [2, 2] },
      onStep({ step, steps, time, sigma, tokens, changed, probability }) {
        const spans = [
          { begin: 0, end: 2, given: true },
          { begin: 2, end: length, given: false },
        ];
        frames.push({
          sequence: 0,
          step,
          steps,
          time,
          sigma,
          tokens: [...tokens],
          changed: [...changed],
          probability: [...probability],
          spans,
        });
      },
    },
  );
  return frames;
}

describe.each<SamplerName>(["analytic", "euler", "first-hitting", "left-to-right"])("%s", (sampler) => {
  it.each([3, 64])("%i steps: the probability of a token is the model's, not that of being drawn in this very step", async (steps) => {
    const frames = await framesOf(sampler, steps);
    const tokens = tokensAt(frames, { mask, sampler });
    expect(tokens).toHaveLength(length);
    for (const { id, probability, locked } of tokens.slice(2)) {
      expect(locked).toBe(false);
      expect(probability).toBeCloseTo(law[id]!, 9);
    }
    expect(tokens.slice(0, 2)).toEqual([0, 1].map(() => ({ id: 2, open: false, locked: true, step: undefined, probability: undefined })));
  });
});

it("a text in the middle of a run: open where the mask stands, written at the step that changed it", async () => {
  const frames = await framesOf("analytic", 16);
  const reading = { mask, sampler: "analytic" };
  frames.forEach((frame, k) => {
    const tokens = tokensAt(frames, reading, k);
    expect(tokens.map(({ open }) => open)).toEqual(frame.tokens.map((token) => token === mask));
    for (const position of frame.changed) expect(tokens[position]!.step).toBe(frame.step);
  });
  const changes = changesOf(frames, reading);
  expect(changes.map((list) => list.length)).toEqual([0, 0, ...Array.from({ length: length - 2 }, () => 1)]);
  changes.forEach((list, position) => list.forEach(({ frame, token }) => expect(frames[frame]!.tokens[position]).toBe(token)));
});

it("the probability of a draw in which no time passes is not known", async () => {
  const frames = await framesOf("analytic", 16);
  const k = frames.findIndex(({ changed }, k) => k > 1 && changed.length > 0);
  const known = (list: readonly Frame[]): boolean => changesOf(list, { mask, sampler: "analytic" }).flat().some(({ probability }) => probability !== undefined); // prettier-ignore
  expect(known(frames.slice(k - 1, k + 1))).toBe(true);
  expect(known([{ ...frames[k - 1]!, sigma: frames[k]!.sigma }, frames[k]!])).toBe(false);
});

it("the charts in words", async () => {
  const frames = await framesOf("analytic", 8);
  const changes = changesOf(frames, { mask, sampler: "analytic" });
  const steps = changes.flat().map(({ step }) => step).sort((a, b) => a - b); // prettier-ignore
  expect(writtenSummary(frames, changes)).toBe(
    `When each position was written: 10 of 12, from step ${steps[0]} to ${steps[9]} of 8, half of them by step ${steps[4]}`,
  );
  expect(writtenSummary(frames, changesOf(frames, { mask, sampler: "analytic" }, 0))).toContain("none yet");
  const laws: PositionLaw[] = [1, 3, 0.5].map((entropy, i) => ({ position: 4 + i, entropy, top: [] }));
  expect(entropySummary(laws)).toBe("Entropy of 3 positions in nats: mean 1.50, least 0.50 at position 7, most 3.00 at position 6");
});
