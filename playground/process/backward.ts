/** The reverse process of a handful of sentences: their exact score by enumeration, runs of it, and what they end at. */
import { concreteScore, sampleFrom, transitionMatrix, type DenseScore, type Graph, type Noise } from "sedd";
import { sentenceLength, type Sentence } from "./world.ts";

/**
 * log s_y(x) = log p_σ(… y …) − log p_σ(… x …), p_σ being summed over the sentences. A text that no sentence could have become (words drawn in one step may not fit together)
 * has no such ratio; there each position answers for itself, as if it were the whole text.
 */
export const exactScore =
  (graph: Graph, sentences: readonly Sentence[]): DenseScore =>
  (tokens, sigma) => {
    const { states } = graph;
    const length = tokens.length / sigma.length;
    const scores = new Float64Array(tokens.length * states);
    sigma.forEach((noise, row) => {
      const into = transitionMatrix(graph, noise);
      const text = tokens.subarray(row * length, (row + 1) * length);
      text.forEach((state, i) => {
        const others = sentences.map(({ tokens: clean, probability }) =>
          clean.reduce((product, word, j) => (j === i ? product : product * into[text[j]!]![word]!), probability),
        );
        const fits = others.some((weight) => weight > 0);
        const law = into.map((to) =>
          sentences.reduce((sum, { tokens: clean, probability }, k) => sum + (fits ? others[k]! : probability) * to[clean[i]!]!, 0),
        );
        concreteScore(law).forEach((ratios, y) => (scores[(row * length + i) * states + y] = Math.log(ratios[state]!)));
      });
    });
    return scores;
  };

export interface ReverseOptions {
  readonly noise: Noise;
  readonly steps: number;
  readonly seed: number;
  readonly signal?: AbortSignal | undefined;
}

/** A sentence at one time of its run. */
export interface Moment {
  readonly time: number;
  readonly tokens: readonly number[];
}

/** One run of the reverse process from nothing but noise, from time 1 down to 0. */
export async function denoise(graph: Graph, sentences: readonly Sentence[], options: ReverseOptions): Promise<readonly Moment[]> {
  const moments: Moment[] = [];
  const onStep = ({ time, tokens, done }: { time: number; tokens: Int32Array; done: boolean }): void =>
    void moments.push({ time: done ? 0 : time, tokens: [...tokens] });
  await sampleFrom(exactScore(graph, sentences), { graph, length: sentenceLength, ...options, onStep });
  return moments;
}

/** Which of the sentences a text is; −1: none. */
export const whichSentence = (sentences: readonly Sentence[], text: ArrayLike<number>): number =>
  sentences.findIndex(({ tokens }) => tokens.every((token, i) => token === text[i]));

/** How often `count` runs end at each sentence; last, how often at none of them. */
export async function countEnds(
  graph: Graph,
  sentences: readonly Sentence[],
  { count, ...options }: ReverseOptions & { readonly count: number },
): Promise<readonly number[]> {
  const ends = await sampleFrom(exactScore(graph, sentences), { graph, length: sentenceLength, count, ...options });
  const counts = new Array<number>(sentences.length + 1).fill(0);
  for (const end of ends) {
    const which = whichSentence(sentences, end);
    counts[which === -1 ? sentences.length : which]!++;
  }
  return counts;
}

/** What a run shows at time t: the last moment that is not later in the run, whose time goes down. */
export const momentAt = (moments: readonly Moment[], t: number): Moment | undefined =>
  moments.findLast(({ time }) => time >= t) ?? moments[0];
