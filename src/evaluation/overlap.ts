/**
 * What samples copy from their training text: for each sample the longest passage that stands there word for word. The suffix automaton (Blumer et
 * al. 1985) is that of the samples, and the training text streams through it: exact, in time linear in both, in memory linear in the samples.
 */

/** The longest passage of a sample that the text has, too. */
export interface Overlap {
  /** In code points. */
  readonly length: number;
  readonly passage: string;
  /** Where the passage begins in the text, in code points; where it stands in several places, one of them. */
  readonly offset: number;
}

export interface OverlapFinder {
  /** Takes the next piece of the training text; passages may go on from one piece into the next. */
  read(piece: string): void;
  /** By sample, for what has been read so far. */
  longest(): Overlap[];
}

export function overlapFinder(samples: readonly string[]): OverlapFinder {
  const texts = samples.map(codePoints);
  const automaton = new SuffixAutomaton(texts);
  const { states, link, length } = automaton;
  /** Of each state: the longest of its strings that was read, 0 for none, and where it ended. */
  const best = new Int32Array(states);
  const end = new Float64Array(states);
  let [state, matched, read] = [0, 0, 0];

  return {
    read(piece) {
      for (const symbol of codePoints(piece)) {
        read++;
        let next = automaton.next(state, symbol);
        while (next < 0 && state !== 0) {
          state = link[state]!;
          matched = length[state]!;
          next = automaton.next(state, symbol);
        }
        if (next < 0) continue;
        state = next;
        if (++matched > best[state]!) {
          best[state] = matched;
          end[state] = read;
        }
      }
    },
    longest() {
      const order = Array.from(best.keys()).sort((a, b) => length[a]! - length[b]!);
      const [all, ends] = [best.slice(), end.slice()];
      // A string that was read holds all its suffixes: the longest of every state up the links.
      for (const from of order.toReversed()) {
        const to = link[from]!;
        if (from === 0 || all[from] === 0 || all[to] === length[to]) continue;
        all[to] = length[to]!;
        ends[to] = ends[from]!;
      }
      // And where no string of a state was read, its longest suffix may have been.
      for (const to of order) {
        if (to === 0 || all[to]! > 0) continue;
        all[to] = all[link[to]!]!;
        ends[to] = ends[link[to]!]!;
      }
      return texts.map((text) => {
        let [longest, to, offset, at] = [0, 0, 0, 0];
        text.forEach((symbol, i) => {
          at = automaton.next(at, symbol);
          if (all[at]! > longest) [longest, to, offset] = [all[at]!, i + 1, ends[at]! - all[at]!];
        });
        return { length: longest, passage: String.fromCodePoint(...text.subarray(to - longest, to)), offset };
      });
    },
  };
}

function codePoints(text: string): Int32Array {
  const points = new Int32Array(text.length);
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const point = text.codePointAt(i)!;
    points[count++] = point;
    if (point > 0xffff) i++;
  }
  return points.subarray(0, count);
}

/** Where an edge keeps what; edges follow each other in one array. */
const [FROM, SYMBOL, TO, SIBLING, EDGE] = [0, 1, 2, 3, 4] as const;

/** The smallest automaton that accepts every suffix of several texts; state 0 is the start. */
class SuffixAutomaton {
  /** How many states there are. */
  states = 1;
  /** The state of the longest suffix that is in another state. */
  readonly link: Int32Array;
  /** The longest string of a state. */
  readonly length: Int32Array;
  /** Edges: state, symbol, where it leads, and the next edge of the same state (−1 after the last). */
  readonly #edges: Int32Array;
  #end = 0;
  /** The first edge of each state. */
  readonly #first: Int32Array;
  /** A hash table of edges by state and symbol. */
  readonly #slots: Int32Array;

  constructor(texts: readonly Int32Array[]) {
    const size = texts.reduce((sum, text) => sum + text.length, 0);
    // A text of n symbols gives at most 2n states and 3n edges.
    this.link = new Int32Array(2 * size + 1);
    this.length = new Int32Array(2 * size + 1);
    this.#first = new Int32Array(2 * size + 1).fill(-1);
    this.#edges = new Int32Array(EDGE * (3 * size + 1));
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(6 * size + 2))).fill(-1);
    for (const text of texts) {
      let last = 0;
      for (const symbol of text) last = this.#append(last, symbol);
    }
  }

  /** Where the edge leads, or −1. */
  next(state: number, symbol: number): number {
    const edge = this.#slots[this.#slotOf(state, symbol)]!;
    return edge < 0 ? -1 : this.#edges[edge + TO]!;
  }

  /** The slot of an edge, or the free one where it would go. */
  #slotOf(state: number, symbol: number): number {
    const mask = this.#slots.length - 1;
    const hash = Math.imul(Math.imul(state, 0x9e3779b1) ^ symbol, 0x85ebca6b);
    let slot = (hash ^ (hash >>> 15)) & mask;
    for (let edge = this.#slots[slot]!; edge >= 0; edge = this.#slots[slot]!) {
      if (this.#edges[edge + FROM] === state && this.#edges[edge + SYMBOL] === symbol) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #connect(state: number, symbol: number, to: number): void {
    const slot = this.#slotOf(state, symbol);
    if (this.#slots[slot]! < 0) {
      this.#slots[slot] = this.#end;
      this.#edges.set([state, symbol, to, this.#first[state]!], this.#end);
      this.#first[state] = this.#end;
      this.#end += EDGE;
    }
    this.#edges[this.#slots[slot]! + TO] = to;
  }

  /** The state after `last`, which is that of a beginning of a text. */
  #append(last: number, symbol: number): number {
    const present = this.next(last, symbol);
    if (present >= 0) return this.#exactly(last, symbol, present);
    const state = this.states++;
    this.length[state] = this.length[last]! + 1;
    let at = last;
    for (; at >= 0 && this.next(at, symbol) < 0; at = this.#shorter(at)) this.#connect(at, symbol, state);
    this.link[state] = at < 0 ? 0 : this.#exactly(at, symbol, this.next(at, symbol));
    return state;
  }

  /** The state whose longest string is that of `at` and the symbol: `to`, or a part split off from it. */
  #exactly(at: number, symbol: number, to: number): number {
    if (this.length[to] === this.length[at]! + 1) return to;
    const part = this.states++;
    this.length[part] = this.length[at]! + 1;
    this.link[part] = this.link[to]!;
    this.link[to] = part;
    for (let edge = this.#first[to]!; edge >= 0; edge = this.#edges[edge + SIBLING]!)
      this.#connect(part, this.#edges[edge + SYMBOL]!, this.#edges[edge + TO]!);
    for (let from = at; from >= 0 && this.next(from, symbol) === to; from = this.#shorter(from)) this.#connect(from, symbol, part);
    return part;
  }

  /** The link, or −1 from the start. */
  #shorter(state: number): number {
    return state === 0 ? -1 : this.link[state]!;
  }
}
