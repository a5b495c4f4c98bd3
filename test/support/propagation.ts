/** The exact law of what a sampler returns on an oracle: its steps' own weights, propagated instead of drawn; and counts drawn through the sampling loop. */
import { normalised, probabilities } from "../../src/diffusion/law.ts";
import type { Noise } from "../../src/diffusion/noise.ts";
import { run, type RunOptions } from "../../src/diffusion/sampler.ts";
import { finalStage, gridStages, type Predictor } from "../../src/diffusion/schedule.ts";
import { denseScore, type ScoreModel } from "../../src/diffusion/score.ts";
import { onClean, type Oracle, propagate, startLaw } from "./oracle.ts";

/** The law over clean sequences after K steps of a predictor and the final denoise, with what is given (−1 at holes) clamped. */
export function propagatedLaw(truth: Oracle, predictor: Predictor, noise: Noise, steps: number, given?: Int32Array): Float64Array {
  const { graph, noisy } = truth;
  const S = graph.states;
  let law = startLaw(graph, noisy, given);
  for (const stage of [...gridStages(predictor, graph, noise, steps), finalStage(graph, noise, steps)])
    law = propagate(law, noisy, (state, i) => {
      const x = noisy.at(state)[i]!;
      const stays = given !== undefined && given[i] !== -1;
      if (stays) return Float64Array.from({ length: S }, (_, y) => Number(y === x));
      return normalised(probabilities(stage.law, x, truth.logScore(stage.asked as number, state).subarray(i * S, (i + 1) * S)));
    });
  return onClean(law, truth);
}

/** How often each clean sequence is drawn. */
export async function drawnCounts(
  truth: Oracle,
  options: Omit<RunOptions, "length" | "seed"> & { seed?: number },
  score?: ScoreModel,
): Promise<Float64Array> {
  const counts = new Float64Array(truth.clean.size);
  let tokens: Int32Array = new Int32Array(0);
  for await (const frame of run(score ?? denseScore(truth.score, truth.graph), {
    maxRows: 8192,
    seed: 1,
    length: truth.length,
    ...options,
  }))
    tokens = frame.tokens;
  for (let at = 0; at < tokens.length; at += truth.length) counts[truth.clean.index(tokens, at)]!++;
  return counts;
}
