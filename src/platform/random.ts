/**
 * Reproducible random numbers: independent streams named by integers, so that sample i of a seed does not depend on how many are drawn
 * beside it. The generator is pure-rand's xoroshiro128+; its state is four integers.
 */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plusFromState } from "pure-rand/generator/xoroshiro128plus";

export interface Random {
  /** Uniform on [0, 1) with 53 bits. */
  uniform(): number;
  /** Uniform on 0 … n−1, without bias. */
  integer(n: number): number;
  /** Standard normal (Box–Muller; the second value is not kept, so that the state is the generator's alone). */
  normal(): number;
  /** Four 32-bit integers that {@link randomFromState} takes. */
  state(): number[];
}

/** The stream named by a seed (an integer below 2^53) and further integers: `random(seed, sampleIndex)`. */
export function random(seed: number, ...stream: number[]): Random {
  const mix = mixer();
  for (const value of [seed, stream.length, ...stream]) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`random: a seed and a stream are integers below 2^53, got ${value}`);
    mix.absorb(value >>> 0);
    mix.absorb(Math.floor(value / 2 ** 32) >>> 0);
  }
  const words = mix.squeeze();
  words[0]! |= 1; // the all-zero state is the generator's only fixed point
  return randomFromState(words);
}

/** A generator that goes on from a saved state. */
export function randomFromState(state: readonly number[]): Random {
  const generator = xoroshiro128plusFromState(state.map((word) => word | 0));
  const uniform = () => uniformFloat64(generator);
  return {
    uniform,
    integer: (n) => uniformInt(generator, 0, n - 1),
    normal: () => Math.sqrt(-2 * Math.log1p(-uniform())) * Math.cos(2 * Math.PI * uniform()),
    state: () => [...generator.getState()],
  };
}

/** A seed for a user who gave none: 32 bits, so that it is short to type. */
export const drawSeed = (): number => crypto.getRandomValues(new Uint32Array(1))[0]!;

/**
 * Words into 128 bits. Each word goes through four lanes in turn, scrambled as in SplitMix32: for a given word a bijection of the state, and for a given state
 * another state for every word. So two names share a stream no sooner than chance has it among 2^128.
 */
function mixer() {
  const lanes = [0x9e3779b9, 0x243f6a88, 0xb7e15162, 0x6a09e667];
  const scramble = (z: number): number => {
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const absorb = (word: number): void => {
    let carry = word;
    for (let i = 0; i < 4; i++) carry = lanes[i] = scramble((lanes[i]! + carry + 0x9e3779b9) >>> 0);
    lanes[0] = (lanes[0]! + carry) >>> 0;
  };
  return {
    absorb,
    /** The state, after every word has reached every lane. */
    squeeze(): number[] {
      absorb(0);
      absorb(0);
      return [...lanes];
    },
  };
}
