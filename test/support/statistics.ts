/** Statistics for tests of drawn laws. */

/** Pearson's statistic of counts against a law, with cells expected below `least` merged into one; and its degrees of freedom. */
export function chiSquare(counts: ArrayLike<number>, law: ArrayLike<number>, least = 5): { statistic: number; freedom: number } {
  let draws = 0;
  for (let k = 0; k < counts.length; k++) draws += counts[k]!;
  let [statistic, cells, restSeen, restExpected] = [0, 0, 0, 0];
  for (let k = 0; k < counts.length; k++) {
    const expected = law[k]! * draws;
    if (expected === 0 && counts[k]! > 0) return { statistic: Infinity, freedom: 1 };
    if (expected < least) {
      restSeen += counts[k]!;
      restExpected += expected;
    } else {
      statistic += (counts[k]! - expected) ** 2 / expected;
      cells++;
    }
  }
  if (restExpected > 0) {
    statistic += (restSeen - restExpected) ** 2 / restExpected;
    cells++;
  }
  return { statistic, freedom: Math.max(1, cells - 1) };
}

/** The upper 1e-6 point of the chi-square law (Wilson and Hilferty; within 1 % for 5 and more degrees of freedom). */
export const chiSquareLimit = (freedom: number): number => freedom * (1 - 2 / (9 * freedom) + 4.753424 * Math.sqrt(2 / (9 * freedom))) ** 3;

/** Total variation distance. */
export const totalVariation = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += Math.abs(a[k]! - b[k]!);
  return sum / 2;
};
