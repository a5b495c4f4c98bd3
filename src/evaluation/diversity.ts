/** How varied generated texts are. Every measure is of tokens, so compare only texts of one tokenizer and one length. */

/**
 * Distinct n-grams as a share of all n-grams of the samples (distinct-n, Li et al. 2016). An n-gram lies within one sample.
 *
 * @throws RangeError where no sample has n tokens
 */
export function distinctShare(samples: readonly ArrayLike<number>[], n: number): number {
  const seen = new Set<string>();
  let all = 0;
  for (const sample of samples) {
    for (let end = n; end <= sample.length; end++, all++) seen.add(Array.prototype.slice.call(sample, end - n, end).join());
  }
  if (all === 0) throw new RangeError(`distinctShare: no sample has ${n} tokens`);
  return seen.size / all;
}

/** The share of a sample's n-grams that stood in it before (seq-rep-n, Welleck et al. 2020); RangeError where it has no n tokens. */
export const repetitionShare = (sample: ArrayLike<number>, n: number): number => 1 - distinctShare([sample], n);

/** Entropy of the token frequencies within one sample, in nats: low where a few words come again and again. At most log(length); 0 for no tokens. */
export function unigramEntropy(sample: ArrayLike<number>): number {
  const counts = new Map<number, number>();
  for (let i = 0; i < sample.length; i++) counts.set(sample[i]!, (counts.get(sample[i]!) ?? 0) + 1);
  let entropy = 0;
  for (const count of counts.values()) entropy += (count / sample.length) * Math.log(sample.length / count);
  return entropy;
}
