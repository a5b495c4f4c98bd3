import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { UserError } from "../../src/platform/errors.ts";
import { drawWindow, epochStarts, windowSampler, type SamplerState } from "../../src/text/batches.ts";
import { memorySource } from "../../src/text/source.ts";

/** A corpus whose tokens are their own places. */
const counting = (count: number) => memorySource(Int32Array.from({ length: count }, (_, index) => index));

describe("an epoch", () => {
  const shape = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.nat(300)).map(([length, more]) => ({ length, count: length + more }));

  it("shows every token, none more than twice, and overlaps at the ends only", () => {
    fc.assert(
      fc.property(shape, fc.nat(1000), fc.nat(50), ({ length, count }, seed, epoch) => {
        const starts = Array.from(epochStarts(count, length, seed, epoch)).sort((a, b) => a - b);
        expect(starts[0]).toBe(0);
        expect(starts.at(-1)).toBe(count - length);
        expect(new Set(starts).size).toBe(starts.length);
        starts.slice(1).forEach((start, index) => {
          const step = start - starts[index]!;
          expect(step).toBeLessThanOrEqual(length);
          if (index > 0 && index < starts.length - 2) expect(step).toBe(length);
        });
        expect(starts.length).toBeLessThanOrEqual(Math.floor(count / length) + 2);
      }),
      { numRuns: 500 },
    );
  });

  it("cuts and shuffles anew each time", () => {
    const epochs = [0, 1, 2].map((epoch) => epochStarts(1000, 10, 7, epoch).join());
    expect(new Set(epochs).size).toBe(3);
    const offsets = new Set(
      Array.from({ length: 200 }, (_, epoch) => epochStarts(1000, 10, 7, epoch).find((start) => start > 0 && start < 990)! % 10),
    );
    expect(offsets.size).toBe(10);
    expect(epochStarts(1000, 10, 7, 0)).toEqual(epochStarts(1000, 10, 7, 0));
    expect(Array.from(epochStarts(1000, 10, 7, 0))).not.toEqual(Array.from(epochStarts(1000, 10, 7, 0)).sort((a, b) => a - b));
  });
});

describe("windowSampler", () => {
  it("gives windows of the corpus, and goes through epochs without dropping any", async () => {
    const sampler = windowSampler(counting(103), 5);
    const perEpoch = epochStarts(103, 10, 5, 0);
    const seen: number[] = [];
    for (let i = 0; i < 40; i++) {
      const batch = await sampler.nextBatch(4, 10);
      expect(batch).toHaveLength(40);
      for (let row = 0; row < 4; row++) {
        const window = Array.from(batch.subarray(row * 10, row * 10 + 10));
        expect(window).toEqual(Array.from({ length: 10 }, (_, index) => window[0]! + index));
        seen.push(window[0]!);
      }
    }
    const expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15].flatMap((epoch) => Array.from(epochStarts(103, 10, 5, epoch)));
    expect(seen.slice(0, perEpoch.length)).toEqual(Array.from(perEpoch));
    expect(seen).toEqual(expected.slice(0, 160));
  });

  it("resumes anywhere, through JSON, with several lengths", async () => {
    const request = fc.record({ rows: fc.integer({ min: 1, max: 5 }), length: fc.constantFrom(3, 8, 20) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 20 }),
        fc.array(request, { maxLength: 20 }),
        fc.nat(),
        async (before, after, seed) => {
          const source = counting(57);
          const straight = windowSampler(source, seed);
          for (const { rows, length } of before) await straight.nextBatch(rows, length);
          const resumed = windowSampler(source, JSON.parse(JSON.stringify(straight.state())) as SamplerState);
          for (const { rows, length } of after)
            expect(await resumed.nextBatch(rows, length)).toEqual(await straight.nextBatch(rows, length));
          expect(resumed.state()).toEqual(straight.state());
        },
      ),
    );
  });

  it("may be asked ahead", async () => {
    const [one, two] = [windowSampler(counting(100), 1), windowSampler(counting(100), 1)];
    const ahead = await Promise.all([one.nextBatch(2, 8), one.nextBatch(2, 8)]);
    expect(ahead).toEqual([await two.nextBatch(2, 8), await two.nextBatch(2, 8)]);
  });

  it("refuses a corpus shorter than one window with both numbers, and another corpus on resuming", async () => {
    const sampler = windowSampler(counting(100), 1);
    await expect(sampler.nextBatch(1, 128)).rejects.toThrow(UserError);
    await expect(sampler.nextBatch(1, 128)).rejects.toThrow("corpus: 100 tokens are fewer than one window of 128");
    await expect(sampler.nextBatch(1, 0)).rejects.toThrow(/length: 0 is no window length/);
    await sampler.nextBatch(1, 100);
    expect(() => windowSampler(counting(99), sampler.state())).toThrow(/99 tokens, but the state to resume is of a corpus of 100/);
  });
});

describe("drawWindow", () => {
  const lengths = [
    { length: 32, weight: 1 },
    { length: 128, weight: 3 },
    { length: 7, weight: 0 },
  ];

  it("draws by weight, as a function of seed and batch", () => {
    const drawn = Array.from({ length: 4000 }, (_, batch) => drawWindow(lengths, 3, batch).length);
    expect(drawn).toEqual(Array.from({ length: 4000 }, (_, batch) => drawWindow(lengths, 3, batch).length));
    expect(new Set(drawn)).toEqual(new Set([32, 128]));
    // Binomial with p = 1/4: standard deviation 0.0068, so 0.034 is five of them.
    expect(Math.abs(drawn.filter((length) => length === 32).length / 4000 - 0.25)).toBeLessThan(0.034);
  });

  it("refuses weights that are no shares", () => {
    for (const weights of [[], [0], [1, -1], [Number.NaN]]) {
      expect(() =>
        drawWindow(
          weights.map((weight) => ({ length: 8, weight })),
          1,
          0,
        ),
      ).toThrow(UserError);
    }
  });
});
