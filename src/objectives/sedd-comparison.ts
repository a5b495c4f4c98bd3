/** Two likelihoods of one text, subtracted: of two models, two checkpoints or two sets of weights. Plain data in, plain data out: stored reports do. */
import { differenceOf, estimate } from "../diffusion/bound.ts";
import { UserError } from "../platform/errors.ts";
import type { Likelihood, TextLikelihood } from "./sedd-likelihood.ts";

export interface Comparison {
  readonly unit: "bits per character";
  /** The first one's bits per character minus the second one's: negative where the first model is better. */
  readonly difference: number;
  /** Of the difference: the Monte-Carlo error over the noise, the text fixed. */
  readonly standardError: number;
  /** Whether both were measured under the same noise (seed, samples, windows and tokens alike), so that much of its error cancels. */
  readonly paired: boolean;
}

/**
 * The difference of two likelihoods of the same text. Under the same noise it is taken repetition by repetition, and its error is mostly far smaller than
 * either one's own; else the errors add.
 *
 * @throws UserError for likelihoods of different texts
 * @example compareLikelihoods(await a.likelihood(text), await b.likelihood(text)) // { difference: -0.031, standardError: 0.002, … }
 */
export function compareLikelihoods(a: Likelihood, b: Likelihood): Comparison {
  const ofText = (one: Likelihood): TextLikelihood => {
    if (one.characters !== undefined) return one as TextLikelihood;
    throw new UserError(`${one.model}: was measured on tokens, whose characters are not known; measure both on one text`);
  };
  const [one, other] = [ofText(a), ofText(b)];
  if (a.characters !== b.characters || a.bytes !== b.bytes || a.protocol.text !== b.protocol.text)
    throw new UserError(
      `${a.model} and ${b.model} were measured on different texts (${a.characters} and ${b.characters} characters); measure both on one`,
    );
  const same = (["estimator", "seed", "samples", "replicates", "window", "graph"] as const).every(
    (key) => a.protocol[key] === b.protocol[key],
  );
  const paired = same && a.tokenCount === b.tokenCount && JSON.stringify(a.protocol.noise) === JSON.stringify(b.protocol.noise);
  const bits = ({ estimates, tokenCount, characters }: TextLikelihood) =>
    estimates.map((nats) => (nats * tokenCount) / Math.LN2 / characters);
  const [x, y] = [bits(one), bits(other)];
  if (paired) {
    const { total, standardError } = differenceOf(x, y);
    return { unit: "bits per character", difference: total, standardError, paired };
  }
  const [first, second] = [estimate(x), estimate(y)];
  return {
    unit: "bits per character",
    difference: first.total - second.total,
    standardError: Math.hypot(first.standardError, second.standardError),
    paired,
  };
}
