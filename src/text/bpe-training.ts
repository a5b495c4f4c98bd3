/**
 * Byte-pair encoding, the training half (Sennrich et al. 2016): from counted words to an ordered list of merges. Pair counts are kept up to date
 * over the unique words, and a heap with late correction finds the next pair, so a merge costs only the words that hold it.
 */

/** A merge of two symbols into one; 0 … 255 are the alphabet. */
export type Merge = readonly [left: number, right: number];

export interface TrainedMerges {
  /** What a symbol is made of: alphabet indices as char codes, each symbol once. */
  readonly symbols: string[];
  readonly merges: Merge[];
}

/** A word as symbols of the alphabet, and how often it occurs. */
export interface CountedWord {
  readonly symbols: ArrayLike<number>;
  readonly count: number;
}

/** Pairs are map keys: left · 2²⁶ + right, exact in a float64. */
const SHIFT = 2 ** 26;

/** Words between two places where a caller may pause. */
const PAUSE = 2 ** 14;

/**
 * Merges until there are `size` symbols, or until no pair occurs `minimumCount` times any more. The most frequent pair goes first; of equally frequent
 * ones that with the smaller (left, right), so the result depends on nothing but the counts. Pairs are counted at every place, overlapping
 * ones too ("aaa" holds two), and replaced from left to right; this is also what the Hugging Face trainer does. Yields now and then: it may take minutes.
 */
export function* mergeSteps(words: readonly CountedWord[], size: number, minimumCount = 2): Generator<undefined, TrainedMerges> {
  const lists = words.map((word) => Array.from(word.symbols));
  const counts = new Map<number, number>();
  const places = new Map<number, number[]>(); // pair → words that hold or held it
  const add = (word: number, sign: 1 | -1, touched?: Set<number>): void => {
    const list = lists[word]!;
    for (let i = 1; i < list.length; i++) {
      const pair = list[i - 1]! * SHIFT + list[i]!;
      counts.set(pair, (counts.get(pair) ?? 0) + sign * words[word]!.count);
      if (sign < 0) continue;
      const held = places.get(pair);
      if (held === undefined) places.set(pair, [word]);
      else if (held.at(-1) !== word) held.push(word);
      touched?.add(pair);
    }
  };
  for (let word = 0; word < words.length; word++) {
    add(word, 1);
    if (word % PAUSE === 0) yield;
  }

  const heap = new PairHeap();
  for (const [pair, count] of counts) heap.push(pair, count);

  const merges: Merge[] = [];
  const symbols: string[] = Array.from({ length: 256 }, (_, symbol) => String.fromCharCode(symbol));
  const known = new Map(symbols.map((string, symbol) => [string, symbol]));
  while (symbols.length < size) {
    const top = heap.pop();
    if (top === undefined) break;
    const now = counts.get(top.pair) ?? 0;
    if (now !== top.count) {
      // The heap's count is never too small: a count grows only in the step that makes one of its symbols, and is pushed then.
      if (now > 0) heap.push(top.pair, now);
      continue;
    }
    if (now < minimumCount) break;
    const left = Math.floor(top.pair / SHIFT);
    const right = top.pair % SHIFT;
    merges.push([left, right]);
    const string = symbols[left]! + symbols[right]!;
    const made = known.get(string) ?? symbols.push(string) - 1; // two merges may make one string; a vocabulary has it once
    known.set(string, made);
    const touched = new Set<number>();
    const holders = new Set(places.get(top.pair));
    places.delete(top.pair);
    let seen = 0;
    yield;
    for (const word of holders) {
      if (++seen % PAUSE === 0) yield;
      if (!holds(lists[word]!, left, right)) continue;
      add(word, -1);
      lists[word] = replace(lists[word]!, left, right, made);
      add(word, 1, touched);
    }
    for (const pair of touched) {
      if (pair % SHIFT === made || Math.floor(pair / SHIFT) === made) heap.push(pair, counts.get(pair)!);
    }
    counts.delete(top.pair); // none is left: every place was replaced
  }
  return { symbols, merges };
}

function holds(list: readonly number[], left: number, right: number): boolean {
  for (let i = 1; i < list.length; i++) if (list[i - 1] === left && list[i] === right) return true;
  return false;
}

function replace(list: readonly number[], left: number, right: number, made: number): number[] {
  const merged: number[] = [];
  for (let i = 0; i < list.length; i++) {
    if (list[i] === left && list[i + 1] === right) {
      merged.push(made);
      i++;
    } else {
      merged.push(list[i]!);
    }
  }
  return merged;
}

/** A binary heap of pairs: the larger count first, then the smaller pair. */
class PairHeap {
  readonly #pairs: number[] = [];
  readonly #counts: number[] = [];

  push(pair: number, count: number): void {
    let at = this.#pairs.length;
    this.#pairs.push(pair);
    this.#counts.push(count);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(at, parent)) break;
      this.#swap(at, parent);
      at = parent;
    }
  }

  pop(): { pair: number; count: number } | undefined {
    const size = this.#pairs.length - 1;
    if (size < 0) return undefined;
    this.#swap(0, size);
    const top = { pair: this.#pairs.pop()!, count: this.#counts.pop()! };
    for (let at = 0; ;) {
      let first = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < size && this.#before(child, first)) first = child;
      if (first === at) return top;
      this.#swap(at, first);
      at = first;
    }
  }

  #before(a: number, b: number): boolean {
    return this.#counts[a]! > this.#counts[b]! || (this.#counts[a] === this.#counts[b] && this.#pairs[a]! < this.#pairs[b]!);
  }

  #swap(a: number, b: number): void {
    [this.#pairs[a], this.#pairs[b]] = [this.#pairs[b]!, this.#pairs[a]!];
    [this.#counts[a], this.#counts[b]] = [this.#counts[b]!, this.#counts[a]!];
  }
}
