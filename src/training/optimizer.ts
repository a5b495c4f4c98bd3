/**
 * One update of all parameters: clipping, AdamW (Loshchilov & Hutter 2019) or Muon for the hidden matrices, weight decay and the moving
 * average, in as few passes over the flat buffers as there are.
 */
import type { CompileOptions, Executable, Layout, ParameterView } from "../tensor/index.ts";
import { compileMuon, updateScale } from "./muon.ts";
import type { Recipe } from "./recipe.ts";
import { arena } from "./passes-simd.ts";
import { plainPasses, type Passes } from "./passes.ts";
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

/** The vector passes over a memory's buffers, by that memory. */
const vectorPasses = new WeakMap<ArrayBufferLike, Passes>();

/** Copies of a state's buffers, and one for gradients, that the passes are fastest over; where memory is short, the state itself. */
export function workingBuffers(state: TrainingState): { state: TrainingState; gradients: Float32Array } {
  const { parameters, ema, first, second } = state;
  const place = arena(5, parameters.length);
  if (!place) return { state, gradients: new Float32Array(parameters.length) };
  const [p, e, m, v, gradients] = place.buffers as [Float32Array, Float32Array, Float32Array, Float32Array, Float32Array];
  p.set(parameters);
  e.set(ema);
  m.set(first);
  v.set(second);
  vectorPasses.set(p.buffer, place.passes);
  return { state: { parameters: p, ema: e, first: m, second: v }, gradients };
}

/** The passes that an update's buffers allow. */
function passesOver(state: TrainingState, gradients: Float32Array): Passes {
  const { buffer } = gradients;
  const together = Object.values(state as unknown as Record<string, Float32Array>).every((part) => part.buffer === buffer);
  return (together && vectorPasses.get(buffer)) || plainPasses;
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
      const passes = passesOver(state, gradients);
      const norm = Math.sqrt(passes.sumOfSquares(gradients)) * scale;
      const clipped = settings.clip > 0 && norm > settings.clip ? (scale * settings.clip) / (norm + 1e-6) : scale;
      const average = 1 - emaDecay(decay, step);
      const adamRate = settings.learningRate * factor;
      const { beta1, beta2, eps, weightDecay } = settings;
      const adam = {
        scale: clipped,
        beta1,
        beta2,
        size: adamRate / (1 - beta1 ** step),
        correction: 1 / Math.sqrt(1 - beta2 ** step),
        eps,
        keep: 1 - adamRate * weightDecay,
        average,
      };
      for (const range of adamViews) {
        passes.adamw(
          part(state.parameters, range),
          part(gradients, range),
          part(state.first, range),
          part(state.second, range),
          part(state.ema, range),
          adam,
        );
      }
      if (orthogonalize) {
        for (const view of muonViews) passes.nesterov(part(gradients, view), part(state.first, view), clipped, settings.momentum);
        // In place: each result depends on the whole of its own input and on no other.
        const inputs = Object.fromEntries(muonViews.map((view) => [view.name, part(gradients, view)]));
        const outputs = Object.fromEntries(muonViews.map((view) => [`orthogonal:${view.name}`, part(gradients, view)]));
        await orthogonalize.run(inputs, outputs);
        for (const view of muonViews) {
          const rate = settings.muonLearningRate * factor;
          passes.descend(
            part(state.parameters, view),
            part(gradients, view),
            part(state.ema, view),
            rate * updateScale(view.shape, settings.muonBlock),
            1 - rate * weightDecay,
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
