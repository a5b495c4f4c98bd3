/** Texts that a model writes, each batch of one seed kept by itself, and what the judge says of them. */
import { perplexityOf } from "../estimates.ts";
import type { Judge } from "../judge.ts";
import type { Ground, Subject } from "./subject.ts";

export interface JudgedText {
  readonly text: string;
  /** The model's own. */
  readonly tokens: readonly number[];
  /** The judge's −log p of the text, and how many tokens it is to the judge. */
  readonly judged: { readonly nats: number; readonly tokens: number };
}

/** What one seed gives. */
export interface Batch {
  readonly seed: number;
  readonly texts: readonly JudgedText[];
  /** Of one text, while a batch is written at once. */
  readonly seconds: number;
  /** Whose seconds they are. */
  readonly machine: string;
}

/** How many texts: until the perplexity's error is below a share of it. */
export interface Enough {
  readonly least: number;
  readonly most: number;
  readonly error: number;
}

export interface Writer {
  /** Batches of seeds 0, 1, 2 …: more are never other ones. @param steps as many as the model makes: {@link stepsOf} */
  write(steps: number, enough: Enough): Promise<Batch[]>;
}

/** The number of steps that a model makes when asked for `wanted`: a token a step is the most where each is settled once and for all. */
export function stepsOf({ model: { config } }: Pick<Subject, "model">, wanted: number, length: number): number {
  const { objective } = config.sedd;
  if (objective === "ar") return length;
  return objective === undefined ? wanted : Math.min(wanted, length);
}

/** The first steps compile programs, and no clock is to see that. */
const WARMING_STEPS = [4, 64];

export function textWriter(subject: Subject, { settings, judge, length, machine, signal, onStep }: Ground): Writer {
  const { model, fingerprint, store } = subject;
  const sample = (steps: number, seed: number) => {
    const own = model.config.sedd.objective === "ar" ? {} : { steps };
    return model.sample({ count: settings.batch, length, seed, signal, ...own });
  };
  let warmed: Promise<void> | undefined;
  const warm = async (): Promise<void> => {
    for (const steps of new Set(WARMING_STEPS.map((wanted) => stepsOf(subject, wanted, length)))) await sample(steps, 0);
  };
  const write = async (steps: number, seed: number): Promise<Batch> => {
    const key = { weights: fingerprint, steps, seed, count: settings.batch, length };
    const written = await store.remember(`texts/${steps}-${seed}`, key, async () => {
      await (warmed ??= warm());
      const begin = performance.now();
      const samples = await sample(steps, seed);
      signal?.throwIfAborted();
      const seconds = (performance.now() - begin) / 1000 / settings.batch;
      return { seconds, machine, texts: samples.map(({ text, tokens }) => ({ text, tokens })) };
    });
    const judged = await store.remember(`texts/${steps}-${seed}-judged`, { ...key, judge: judge.weights }, () =>
      judgeTexts(
        judge,
        written.texts.map(({ text }) => text),
        signal,
      ),
    );
    return {
      seed,
      seconds: written.seconds,
      machine: written.machine,
      texts: written.texts.map((text, i) => ({ ...text, judged: judged[i]! })),
    };
  };
  return {
    async write(steps, { least, most, error }) {
      const batches: Batch[] = [];
      for (let seed = 0; ; seed++) {
        batches.push(await write(steps, seed));
        const count = batches.length * settings.batch;
        onStep?.(`${count} texts with ${steps} steps`);
        if (count < least) continue;
        const { value, standardError } = perplexityOf(batches.flatMap(({ texts }) => texts.map(({ judged }) => judged)));
        if (standardError <= error * value || count + settings.batch > most) return batches;
      }
    },
  };
}

/** Without the features, which are long. */
const judgeTexts = async (judge: Judge, texts: readonly string[], signal?: AbortSignal): Promise<JudgedText["judged"][]> =>
  (await judge.judge(texts, signal)).map(({ nats, tokens }) => ({ nats, tokens }));
