import { describe, expect, it } from "vitest";
import { random, randomFromState } from "../../src/platform/random.ts";

describe("streams", () => {
  it("two names have two states: 300,000 of them, of which 32 bits would confuse ten", () => {
    const states = new Set<string>();
    let names = 0;
    for (let seed = 0; seed < 300; seed++)
      // Seeds differ in their low words or in their high ones.
      for (let i = 0; i < 1000; i++, names++)
        states.add(
          random(seed % 2 === 0 ? seed : seed * 2 ** 32, i)
            .state()
            .join(),
        );
    expect(states.size).toBe(names);
  });
  it("the number and the order of the words count", () => {
    const states = [random(1), random(1, 0), random(1, 0, 0), random(0, 1), random(1, 2, 3), random(1, 3, 2), random(2 ** 32, 1)];
    expect(new Set(states.map((stream) => stream.state().join())).size).toBe(states.length);
  });
  it("neighbouring streams are independent: the 1,024 pairs of first five bits are equally frequent", () => {
    // Chi-square with 1,023 degrees of freedom: 1,023 + 4.75 √2046 bounds it with probability 1 − 1e-6.
    const counts = new Float64Array(1024);
    const draws = 200_000;
    for (let i = 0; i < draws; i++) counts[32 * Math.floor(32 * random(7, i).uniform()) + Math.floor(32 * random(7, i + 1).uniform())]!++;
    const expected = draws / 1024;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chi).toBeLessThan(1023 + 4.9 * Math.sqrt(2046));
  });
  it("goes on from a saved state", () => {
    const stream = random(5, 6);
    stream.uniform();
    const again = randomFromState(stream.state());
    expect(Array.from({ length: 10 }, () => again.uniform())).toEqual(Array.from({ length: 10 }, () => stream.uniform()));
  });
  it("takes integers alone", () => {
    expect(() => random(0.5)).toThrow("integers below 2^53, got 0.5");
    expect(() => random(1, 2 ** 53)).toThrow("integers below 2^53");
  });
});
