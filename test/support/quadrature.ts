/** Numerical integration for exact expectations in tests. */

/** Nodes and weights of Gauss–Legendre quadrature on (−1, 1), by Newton's method. */
export function gaussLegendre(n: number): [number, number][] {
  return Array.from({ length: n }, (_, k) => {
    let x = Math.cos((Math.PI * (k + 0.75)) / (n + 0.5));
    let slope = 1;
    for (let iteration = 0; iteration < 20; iteration++) {
      let [a, b] = [1, x];
      for (let j = 2; j <= n; j++) [a, b] = [b, ((2 * j - 1) * x * b - (j - 1) * a) / j];
      slope = (n * (x * b - a)) / (x * x - 1);
      x -= b / slope;
    }
    return [x, 2 / ((1 - x * x) * slope * slope)];
  });
}
