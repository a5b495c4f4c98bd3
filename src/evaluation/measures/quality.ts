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
  /** Whose seconds they are, each machine once. */
  readonly machines: readonly string[];
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
    const seconds = meanOf(batches.map(({ seconds }) => seconds));
    const machines = [...new Set(batches.map(({ machine }) => machine))];
    points.push({ steps: own, ...readabilityOf(batches), seconds, machines, texts: batches.length * settings.batch });
  }
  return points;
}
