/**
 * The optimizers' passes over flat buffers, element by element: one read and one write of each buffer, whatever the arithmetic. Plain loops, which any buffers
 * will do for, and which say what the vector code in passes-simd.ts computes four at a time.
 */

/** AdamW's numbers of one update. */
export interface AdamStep {
  /** Factor on the gradient. */
  readonly scale: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Learning rate / (1 − β₁ᵗ). */
  readonly size: number;
  /** 1/√(1 − β₂ᵗ). */
  readonly correction: number;
  readonly eps: number;
  /** 1 − learning rate × weight decay. */
  readonly keep: number;
  /** 1 − decay of the moving average. */
  readonly average: number;
}

export interface Passes {
  sumOfSquares(x: Float32Array): number;
  /** m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← keep·p − size·m/(√v·correction + eps), and the average of p. */
  adamw(p: Float32Array, g: Float32Array, m: Float32Array, v: Float32Array, ema: Float32Array, step: AdamStep): void;
  /** Momentum m ← μm + g; the gradient becomes Nesterov's look ahead g + μm. */
  nesterov(g: Float32Array, m: Float32Array, scale: number, momentum: number): void;
  /** p ← keep·p − rate·direction, and the average of p. */
  descend(p: Float32Array, direction: Float32Array, ema: Float32Array, rate: number, keep: number, average: number): void;
}

export const plainPasses: Passes = {
  sumOfSquares(x) {
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
    return sum;
  },
  adamw(p, g, m, v, ema, { scale, beta1, beta2, size, correction, eps, keep, average }) {
    const [rest1, rest2] = [1 - beta1, 1 - beta2];
    for (let i = 0; i < p.length; i++) {
      const gradient = g[i]! * scale;
      const first = beta1 * m[i]! + rest1 * gradient;
      const second = beta2 * v[i]! + rest2 * gradient * gradient;
      m[i] = first;
      v[i] = second;
      const value = keep * p[i]! - (size * first) / (Math.sqrt(second) * correction + eps);
      p[i] = value;
      ema[i]! += average * (value - ema[i]!);
    }
  },
  nesterov(g, m, scale, momentum) {
    for (let i = 0; i < g.length; i++) {
      const gradient = g[i]! * scale;
      const velocity = momentum * m[i]! + gradient;
      m[i] = velocity;
      g[i] = gradient + momentum * velocity;
    }
  },
  descend(p, direction, ema, rate, keep, average) {
    for (let i = 0; i < p.length; i++) {
      const value = keep * p[i]! - rate * direction[i]!;
      p[i] = value;
      ema[i]! += average * (value - ema[i]!);
    }
  },
};
