/** The true middle of a text, given what is around it: its −log p per token, or a bound on it, given both sides and given the left side alone. */
import type { Likelihood } from "../../objectives/sedd-model.ts";
import type { Estimate, Kind } from "../report/schema.ts";
import { kindOf } from "./likelihood.ts";
import { spread, type Ground, type Subject } from "./subject.ts";

export interface MeasuredInfilling {
  readonly kind: Kind;
  /** Undefined for a model that does not see what follows. */
  readonly bothSides?: Estimate;
  readonly leftOnly: Estimate;
  readonly windows: number;
}

/** The middle third of the positions 0 … length − 1. */
export function middleOf(length: number): Int32Array {
  const begin = Math.floor(length / 3);
  return Int32Array.from({ length: Math.max(1, Math.floor((2 * length) / 3) - begin) }, (_, i) => begin + i);
}

/** A masked language model is judged as the diffusion that it samples by: unmasking in random order is a law, and has a bound. */
export async function measureInfilling(
  { model }: { readonly model: Pick<Subject["model"], "likelihood" | "config"> },
  { settings, test, signal }: Pick<Ground, "settings" | "test" | "signal">,
): Promise<MeasuredInfilling> {
  const windows = spread(test.windows, settings.infilling.windows);
  const middle = middleOf(windows[0]!.length);
  const { objective } = model.config.sedd;
  const of = (texts: readonly Int32Array[]): Promise<Likelihood> =>
    model.likelihood(texts, {
      free: texts.map(() => middle),
      samples: settings.infilling.samples,
      ...(objective === "mlm" ? { estimator: "exact-k" } : {}),
      signal,
    });
  const estimateOf = ({ natsPerToken, standardError }: Likelihood): Estimate => ({ value: natsPerToken, standardError });
  const left = await of(windows.map((window) => window.subarray(0, middle.at(-1)! + 1)));
  return {
    kind: kindOf(left.protocol.estimator),
    ...(objective === "ar" ? {} : { bothSides: estimateOf(await of(windows)) }),
    leftOnly: estimateOf(left),
    windows: windows.length,
  };
}
