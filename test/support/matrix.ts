/** Small dense matrices as arrays of rows, with an exponential that knows nothing of diffusion: an oracle for transition matrices. */

export type Rows = readonly (readonly number[])[];

export const multiply = (a: Rows, b: Rows): number[][] =>
  a.map((row) => b[0]!.map((_, j) => row.reduce((sum, value, k) => sum + value * b[k]![j]!, 0)));

/**
 * exp(M) by scaling, Taylor and squaring: M/2^k with its largest column sum at most 1/2, of which 18 terms are exact in float64 (2^−19/19! < 1e-22), squared
 * k times. Every squaring doubles the relative error, so that exp(20 Q) (column sums 40, k = 7) has about 128 roundings.
 */
export function matrixExponential(m: Rows): number[][] {
  const size = Math.max(...m[0]!.map((_, j) => m.reduce((sum, row) => sum + Math.abs(row[j]!), 0)));
  const squarings = Math.max(0, Math.ceil(Math.log2(size)) + 1);
  const small = m.map((row) => row.map((value) => value / 2 ** squarings));
  let power: number[][] = m.map((_, i) => m.map((__, j) => Number(i === j)));
  let sum = power;
  for (let k = 1; k <= 18; k++) {
    power = multiply(power, small).map((row) => row.map((value) => value / k));
    sum = sum.map((row, i) => row.map((value, j) => value + power[i]![j]!));
  }
  for (let k = 0; k < squarings; k++) sum = multiply(sum, sum);
  return sum;
}

/** Largest absolute difference of two matrices. */
export function difference(a: readonly ArrayLike<number>[], b: readonly ArrayLike<number>[]): number {
  let worst = a.length === b.length ? 0 : Infinity;
  a.forEach((row, i) => {
    for (let j = 0; j < row.length; j++) worst = Math.max(worst, Math.abs(row[j]! - b[i]![j]!));
  });
  return worst;
}
