/** Quality against the number of steps, and against the seconds that a text takes. */
import { meanOf } from "../estimates.ts";
import type { Estimate } from "../report/schema.ts";
import { readabilityOf } from "./generation.ts";
import { stepsOf, type Writer } from "./texts.ts";
import type { Ground, Subject } from "./subject.ts";

export interface QualityPoint {
  readonly steps: number;
  readonly perplexity: Estimate;
  readonly unigramEntropy: Estimate;
  /** Of one text. */
  readonly seconds: Estimate;
  /** Whose seconds they are. */
  readonly machine: string;
  /** How many texts. */
  readonly texts: number;
}

/** 4, 8, 16 … and 4 × the length. */
export function defaultSteps(length: number): number[] {
  const steps: number[] = [];
  for (let k = 4; k < 4 * length; k *= 2) steps.push(k);
  return [...steps, 4 * length];
}

export async function measureQuality(subject: Subject, writer: Writer, { settings, length }: Ground): Promise<QualityPoint[]> {
  const { steps = defaultSteps(length), ...enough } = settings.quality;
  const points: QualityPoint[] = [];
  for (const own of new Set(steps.toSorted((a, b) => a - b).map((wanted) => stepsOf(subject, wanted, length)))) {
    const batches = await writer.write(own, enough);
    const machine = mostOf(batches.map(({ machine }) => machine));
    const seconds = meanOf(batches.filter((batch) => batch.machine === machine).map(({ seconds }) => seconds));
    points.push({ steps: own, ...readabilityOf(batches), seconds, machine, texts: batches.length * settings.batch });
  }
  return points;
}

/** Texts that were added elsewhere have another clock: the one that most of them have. */
const mostOf = (machines: readonly string[]): string => {
  const count = (machine: string): number => machines.filter((one) => one === machine).length;
  return machines.reduce((one, other) => (count(other) > count(one) ? other : one));
};
