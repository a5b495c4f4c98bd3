/** −log p of the test text: exact from left to right, a bound of a diffusion, the pseudo-likelihood of a masked language model. */
import type { TextLikelihood } from "../../objectives/sedd-model.ts";
import type { Estimator } from "../../objectives/sedd-likelihood.ts";
import type { Estimate, Kind } from "../report/schema.ts";
import type { Ground, Subject } from "./subject.ts";

export interface MeasuredLikelihood {
  readonly kind: Kind;
  readonly natsPerToken: Estimate;
  readonly bitsPerCharacter: Estimate;
  readonly estimator: Estimator;
  /** Noisy copies of each window. */
  readonly samples: number;
  readonly tokens: number;
}

export const kindOf = (estimator: Estimator): "exact" | "pseudo" | "bound" =>
  estimator === "left-to-right" ? "exact" : estimator === "pseudo" ? "pseudo" : "bound";

/** Doubles the noisy copies until the error is small enough, or there are enough. */
export async function measureLikelihood(
  { model }: { readonly model: Pick<Subject["model"], "likelihood"> },
  { settings, test, signal, onStep }: Pick<Ground, "settings" | "test" | "signal" | "onStep">,
): Promise<MeasuredLikelihood> {
  const { least, most, error } = settings.likelihood;
  let measured: TextLikelihood;
  for (let samples = least; ; samples *= 2) {
    const onProgress = (done: number, total: number): void => onStep?.(`${samples} copies, ${Math.floor((100 * done) / total)} %`);
    measured = await model.likelihood(test.text, { samples, signal, onProgress });
    if (measured.standardError <= error * measured.natsPerToken || 2 * samples > most) break;
  }
  const { natsPerToken, standardError, bitsPerCharacter, tokenCount, protocol } = measured;
  return {
    kind: kindOf(protocol.estimator),
    natsPerToken: { value: natsPerToken, standardError },
    bitsPerCharacter: { value: bitsPerCharacter, standardError: (standardError / natsPerToken) * bitsPerCharacter },
    estimator: protocol.estimator,
    samples: protocol.samples,
    tokens: tokenCount,
  };
}
