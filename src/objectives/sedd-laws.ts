/**
 * What a model makes of a noisy text: at each position the law of the clean token there, p(x0 = y | the text at noise σ), as one call of the network tells it.
 * Under absorb only a MASK has one, q_y = s_y / Σ_{y≠MASK} s_y; under uniform any token may be noise, and the law is the analytic (Tweedie) step that removes
 * all of σ. It is what the final denoise draws from. (Of a clean text, with each position hidden in turn: sedd-position.ts.)
 */
import { macrotask } from "#platform";
import { denoiseLaw } from "../diffusion/denoise.ts";
import { normalised, probabilities } from "../diffusion/law.ts";
import { piecesOfRows, type ScoreModel } from "../diffusion/score.ts";
import { UserError } from "../platform/errors.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { lawOf, type PositionLaw } from "./sedd-position.ts";

export interface LawsOptions {
  /** Positions to ask about; default every one that has a law. */
  readonly positions?: ArrayLike<number> | undefined;
  /** The likeliest tokens that are listed at each position, default 8. */
  readonly top?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The laws at positions of one noisy text, in the order asked: one evaluation of the score.
 *
 * @param tokens [length] states: tokens, and MASK under absorb
 * @param sigma total noise of the text
 * @param limit the longest text
 */
export async function lawsOf(
  { score, tokenizer, limit }: { readonly score: ScoreModel; readonly tokenizer: Pick<Tokenizer, "decode">; readonly limit: number },
  tokens: ArrayLike<number>,
  sigma: number,
  { positions, top = 8, signal }: LawsOptions = {},
): Promise<PositionLaw[]> {
  const { graph } = score;
  const text = Array.from(tokens);
  if (text.length < 1 || text.length > limit) throw new UserError(`laws: ${text.length} tokens; this model takes 1 to ${limit}`);
  const wrong = text.find((token) => !(Number.isSafeInteger(token) && token >= 0 && token < graph.states));
  if (wrong !== undefined) throw new UserError(`laws: token ${wrong} is no state; states are 0 to ${graph.states - 1}`);
  if (!(sigma > 0 && sigma < Infinity)) throw new UserError(`laws: sigma ${sigma} must be positive and finite`);
  if (!Number.isSafeInteger(top) || top < 0) throw new UserError(`laws: top ${top} must be a whole number of at least 0`);
  const open = (position: number): boolean => graph.mask === undefined || text[position] === graph.mask;
  const asked = Int32Array.from(positions ?? [...text.keys()].filter(open));
  if (new Set(asked).size < asked.length) throw new UserError("laws: a position is asked for twice; name each once");
  Array.from(positions ?? []).forEach((position) => {
    if (text[position] === undefined) throw new UserError(`laws: there is no position ${position}; positions are 0 to ${text.length - 1}`);
    if (!open(position))
      throw new UserError(`laws: position ${position} holds a token; under absorb only a MASK (${graph.mask}) has a law`);
  });
  if (asked.length === 0) return [];
  signal?.throwIfAborted();
  const answer = await score.evaluate(Int32Array.from(text), Float64Array.of(sigma), asked);
  const law = denoiseLaw(graph, sigma);
  const laws: PositionLaw[] = [];
  // Whole rows are read: few at a time for large vocabularies.
  for (const piece of piecesOfRows(asked.length, graph.states)) {
    signal?.throwIfAborted();
    const rows = await answer.rows(piece);
    piece.forEach((j, k) => {
      const row = rows.subarray(k * graph.states, (k + 1) * graph.states);
      const logs = graph.mask === undefined ? normalised(probabilities(law, text[asked[j]!]!, row)).map(Math.log) : row;
      laws.push({ position: asked[j]!, ...lawOf(logs, graph.vocabularySize, undefined, top, (id) => tokenizer.decode([id])) });
    });
    await macrotask();
  }
  return laws;
}
