/** One evaluator for all models: every measure of a model, each kept on the disk as soon as it is made, so that an evaluation that was stopped goes on where it was. */
import type { Key } from "./store.ts";
import { measureCloseness, type MeasuredCloseness } from "./measures/closeness.ts";
import { measureTexts, type MeasuredTexts } from "./measures/generation.ts";
import { measureInfilling, type MeasuredInfilling } from "./measures/infilling.ts";
import { measureLikelihood, type MeasuredLikelihood } from "./measures/likelihood.ts";
import { measureMasked, type MaskedPoint } from "./measures/masked.ts";
import { measureQuality, type QualityPoint } from "./measures/quality.ts";
import { stepsOf, textWriter, type Batch } from "./measures/texts.ts";
import type { Ground, Subject } from "./measures/subject.ts";

export interface Measured {
  readonly likelihood: MeasuredLikelihood;
  readonly masked: readonly MaskedPoint[] | undefined;
  readonly infilling: MeasuredInfilling;
  readonly generation: MeasuredTexts & { readonly steps: number };
  readonly mauve: MeasuredCloseness;
  readonly quality: readonly QualityPoint[];
  readonly samples: readonly { readonly seed: number; readonly text: string }[];
}

/** What is measured, in this order: the costly ones last. */
export const measureNames = ["likelihood", "masked", "infilling", "generation", "mauve", "quality"] as const;
export type MeasureName = (typeof measureNames)[number];

export interface Progress {
  readonly measure: MeasureName;
  /** Whether it was there already. */
  readonly kept: boolean;
  readonly seconds: number;
}

/** @param human the judge's features of the test text's windows, as many as there are texts to compare them with */
export async function evaluate(
  subject: Subject,
  ground: Ground,
  human: () => Promise<readonly Float32Array[]>,
  onProgress?: (progress: Progress) => void,
): Promise<Measured> {
  const { settings, test, training, judge, length, signal } = ground;
  const writer = textWriter(subject, ground);
  const measure = async <T>(name: MeasureName, key: Key, make: () => Promise<T>): Promise<T> => {
    signal?.throwIfAborted();
    const begin = performance.now();
    let kept = true;
    const value = await subject.store.remember(name, { weights: subject.fingerprint, length, ...key }, () => {
      kept = false;
      return make();
    });
    onProgress?.({ measure: name, kept, seconds: (performance.now() - begin) / 1000 });
    return value;
  };
  const onTest = { test: test.fingerprint };
  const ofTexts = { judge: judge.weights, batch: settings.batch };

  const likelihood = await measure("likelihood", { ...onTest, ...settings.likelihood }, () => measureLikelihood(subject, ground));
  const masked = await measure("masked", { ...onTest, ...settings.masked }, () => measureMasked(subject, ground));
  const infilling = await measure("infilling", { ...onTest, ...settings.infilling }, () => measureInfilling(subject, ground));
  const { steps: wanted = length, ...enough } = settings.generation;
  const steps = stepsOf(subject, wanted, length);
  let batches: Promise<Batch[]> | undefined;
  const written = () => (batches ??= writer.write(steps, enough));
  const generation = await measure("generation", { ...ofTexts, training: training.fingerprint, steps, ...enough }, async () =>
    measureTexts(await written(), training),
  );
  const mauve = await measure("mauve", { ...ofTexts, ...onTest, steps, least: enough.least, ...settings.mauve }, async () => {
    const texts = (await written()).flatMap(({ texts }) => texts.map(({ text }) => text)).slice(0, enough.least);
    const features = (await judge.judge(texts, signal)).map(({ features }) => features);
    return measureCloseness(await human(), features, settings.mauve);
  });
  const quality = await measure("quality", { ...ofTexts, ...settings.quality }, () => measureQuality(subject, writer, ground));
  const samples = (await written()).slice(0, settings.samples).map(({ seed, texts }) => ({ seed, text: texts[0]!.text }));
  return { likelihood, masked, infilling, generation: { ...generation, steps }, mauve, quality, samples };
}
