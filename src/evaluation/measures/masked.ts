/** How well masked tokens are told at several masking rates: the same windows and, at a rate, the same positions for every model. */
import type { Estimate } from "../report/schema.ts";
import { spread, type Ground, type Subject } from "./subject.ts";

export interface MaskedPoint {
  readonly rate: number;
  readonly accuracy: Estimate;
  readonly crossEntropy: Estimate;
}

/** @returns undefined for a model that reads no masks */
export async function measureMasked(
  { model }: { readonly model: Pick<Subject["model"], "maskedPrediction" | "config"> },
  { settings, test, signal }: Pick<Ground, "settings" | "test" | "signal">,
): Promise<MaskedPoint[] | undefined> {
  const { graph, objective } = model.config.sedd;
  if (graph === "uniform" || objective === "ar") return undefined;
  const { rates, windows } = settings.masked;
  const points = await model.maskedPrediction(spread(test.windows, windows), { rates: rates.toSorted((a, b) => a - b), signal });
  return points.map(({ rate, accuracy, accuracyError, crossEntropy, standardError }) => ({
    rate,
    accuracy: { value: accuracy, standardError: accuracyError },
    crossEntropy: { value: crossEntropy, standardError },
  }));
}
