/** What a measure is given: the model, and what is the same for all models. */
import type { Model } from "../../model.ts";
import type { EvaluationSettings } from "../comparison-recipe.ts";
import type { Judge } from "../judge.ts";
import type { Contestant } from "../report/schema.ts";
import type { Store } from "../store.ts";
import type { TrainingText } from "../training-text.ts";

/** A text and a short name for it, which stored measurements are known by. */
export interface NamedText {
  readonly text: string;
  readonly fingerprint: string | undefined;
}

export interface Ground {
  readonly settings: EvaluationSettings;
  /** Its full windows of `length` tokens are at least two. */
  readonly test: NamedText & { readonly windows: readonly Int32Array[] };
  readonly training: TrainingText;
  readonly judge: Judge;
  /** Of every window and every sample, in tokens. */
  readonly length: number;
  /** The processor that this is computed on, in words. */
  readonly machine: string;
  readonly signal?: AbortSignal | undefined;
  /** How far a measurement is, in words. */
  readonly onStep?: ((what: string) => void) | undefined;
}

export interface Subject {
  readonly name: Contestant;
  readonly model: Model;
  /** Of its weights. */
  readonly fingerprint: string | undefined;
  readonly store: Store;
}

/** At most `count` of the items, evenly spread over them. */
export const spread = <T>(items: readonly T[], count: number): T[] =>
  count >= items.length ? [...items] : Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
