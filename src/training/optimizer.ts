/**
 * One update of all parameters: clipping, AdamW (Loshchilov & Hutter 2019) or Muon for the hidden matrices, weight decay and the moving
 * average, in as few passes over the flat buffers as there are.
 */
import type { CompileOptions, Executable, Layout, ParameterView } from "../tensor/index.ts";
import { compileMuon, updateScale } from "./muon.ts";
import type { Recipe } from "./recipe.ts";
import { emaDecay } from "./schedule.ts";

/** Everything that an update changes, in the layout of the parameters. */
export interface TrainingState {
  readonly parameters: Float32Array;
  readonly ema: Float32Array;
  /** First moments; under Muon, its momentum. */
  readonly first: Float32Array;
  /** Second moments; unused by Muon's matrices. */
  readonly second: Float32Array;
}

export interface Update {
  /** The update's number, from 1. */
  readonly step: number;
  /** Factor on both learning rates. */
  readonly factor: number;
  /** Factor on the gradient before clipping: 1 / (tokens of the batch), say. */
  readonly scale: number;
  readonly emaDecay: number;
}

export interface Optimizer {
  /** Updates `state` in place and returns the norm of the scaled gradient before clipping. `gradients` serve as scratch space. */
  update(state: TrainingState, gradients: Float32Array, update: Update): Promise<number>;
  dispose(): Promise<void>;
}

type Settings = Recipe["optimizer"];

/** @param isHiddenMatrix which parameters Muon takes; the rest goes to AdamW. */
export async function createOptimizer(
  layout: Layout,
  settings: Settings,
  isHiddenMatrix: (name: string) => boolean,
  options: CompileOptions,
): Promise<Optimizer> {
  const muonViews = settings.kind === "muon" ? layout.views.filter(({ name }) => isHiddenMatrix(name)) : [];
  const adamViews = merge(layout.views.filter((view) => !muonViews.includes(view)));
  const orthogonalize: Executable | undefined =
    muonViews.length > 0 ? await compileMuon(muonViews, settings.muonBlock, options) : undefined;
  const part = (buffer: Float32Array, { offset, size }: Range): Float32Array => buffer.subarray(offset, offset + size);

  return {
    async update(state, gradients, { step, factor, scale, emaDecay: decay }) {
      const norm = Math.sqrt(sumOfSquares(gradients)) * scale;
      const clipped = settings.clip > 0 && norm > settings.clip ? (scale * settings.clip) / (norm + 1e-6) : scale;
      const average = 1 - emaDecay(decay, step);
      for (const range of adamViews) {
        adamw(
          part(state.parameters, range),
          part(gradients, range),
          part(state.first, range),
          part(state.second, range),
          part(state.ema, range),
          {
            rate: settings.learningRate * factor,
            scale: clipped,
            average,
            step,
            settings,
          },
        );
      }
      if (orthogonalize) {
        for (const view of muonViews) nesterov(part(gradients, view), part(state.first, view), clipped, settings.momentum);
        // In place: each result depends on the whole of its own input and on no other.
        const inputs = Object.fromEntries(muonViews.map((view) => [view.name, part(gradients, view)]));
        const outputs = Object.fromEntries(muonViews.map((view) => [`orthogonal:${view.name}`, part(gradients, view)]));
        await orthogonalize.run(inputs, outputs);
        for (const view of muonViews) {
          const rate = settings.muonLearningRate * factor;
          descend(
            part(state.parameters, view),
            part(gradients, view),
            part(state.ema, view),
            rate * updateScale(view.shape, settings.muonBlock),
            1 - rate * settings.weightDecay,
            average,
          );
        }
      }
      return norm;
    },
    dispose: async () => orthogonalize?.dispose(),
  };
}

interface Range {
  readonly offset: number;
  readonly size: number;
}

/** Neighbouring parameters as one range: fewer, longer loops. */
function merge(views: readonly ParameterView[]): Range[] {
  const ranges: { offset: number; size: number }[] = [];
  for (const { offset, size } of views) {
    const last = ranges.at(-1);
    if (last && last.offset + last.size === offset) last.size += size;
    else ranges.push({ offset, size });
  }
  return ranges;
}

/** In four lanes: the additions of one would wait for each other. */
function sumOfSquares(x: Float32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  const whole = x.length - (x.length % 4);
  for (let i = 0; i < whole; i += 4) {
    a += x[i]! * x[i]!;
    b += x[i + 1]! * x[i + 1]!;
    c += x[i + 2]! * x[i + 2]!;
    d += x[i + 3]! * x[i + 3]!;
  }
  for (let i = whole; i < x.length; i++) a += x[i]! * x[i]!;
  return a + b + c + d;
}

interface AdamStep {
  readonly rate: number;
  readonly scale: number;
  readonly average: number;
  readonly step: number;
  readonly settings: Settings;
}

/** p ← (1 − rate·decay) p − rate · m̂/(√v̂ + eps), and the average of p. */
function adamw(
  p: Float32Array,
  g: Float32Array,
  m: Float32Array,
  v: Float32Array,
  ema: Float32Array,
  { rate, scale, average, step, settings }: AdamStep,
): void {
  const { beta1, beta2, eps, weightDecay } = settings;
  const size = rate / (1 - beta1 ** step);
  const correction = 1 / Math.sqrt(1 - beta2 ** step);
  const keep = 1 - rate * weightDecay;
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
}

/** Momentum m ← μ m + g; the gradient becomes Nesterov's look ahead g + μ m. */
function nesterov(g: Float32Array, m: Float32Array, scale: number, momentum: number): void {
  for (let i = 0; i < g.length; i++) {
    const gradient = g[i]! * scale;
    const velocity = momentum * m[i]! + gradient;
    m[i] = velocity;
    g[i] = gradient + momentum * velocity;
  }
}

/** p ← keep·p − rate·direction, and the average of p. */
function descend(p: Float32Array, direction: Float32Array, ema: Float32Array, rate: number, keep: number, average: number): void {
  for (let i = 0; i < p.length; i++) {
    const value = keep * p[i]! - rate * direction[i]!;
    p[i] = value;
    ema[i]! += average * (value - ema[i]!);
  }
}
