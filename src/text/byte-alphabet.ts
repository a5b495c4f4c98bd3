/**
 * GPT-2's byte alphabet and pre-tokenisation (Radford et al. 2019, `encoder.py`): every byte has a printable character, so that a
 * tokenizer.json can spell any byte sequence, and a text is cut into words before merges apply. Where a text may be cut without changing its
 * words is decided here too.
 */

import { UserError } from "../platform/errors.ts";

/**
 * GPT-2's pre-tokenisation pattern. `\s` is written as Unicode's White_Space, which is what the reference implementations use; JavaScript's own
 * `\s` has U+FEFF and lacks U+0085. Every code point falls in some alternative, so the matches concatenate to the text.
 */
export const wordPattern = (): RegExp =>
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

/** A text's words in turn. UserError for one of millions of letters, on which the pattern's engine runs out of stack. */
export function* wordsOf(text: string): Generator<string> {
  const pattern = wordPattern();
  for (;;) {
    let match: RegExpExecArray | null;
    try {
      match = pattern.exec(text);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new UserError(`text: a stretch of millions of characters without a space or a sign is too long for a word; break it`);
    }
    if (match === null) return;
    yield match[0];
  }
}

/** The 256 characters of the alphabet in the order of their code points, which is the order of their ids. */
export const alphabet: readonly string[] = [];
/** byte → alphabet index. */
export const indexOfByte = new Uint8Array(256);
const byteOfCharacter = new Map<string, number>();

{
  const printable = (byte: number): boolean => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
  const pairs: [codePoint: number, byte: number][] = [];
  let next = 256; // bytes that do not print move, in order, to 256, 257, …
  for (let byte = 0; byte < 256; byte++) pairs.push([printable(byte) ? byte : next++, byte]);
  pairs.sort((a, b) => a[0] - b[0]);
  pairs.forEach(([codePoint, byte], index) => {
    const character = String.fromCharCode(codePoint);
    (alphabet as string[]).push(character);
    indexOfByte[byte] = index;
    byteOfCharacter.set(character, byte);
  });
}

/** Bytes spelled in the alphabet. */
export function spell(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += alphabet[indexOfByte[byte]!];
  return text;
}

/** The bytes that a spelling stands for, or undefined where a character is not in the alphabet. */
export function unspell(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const byte = byteOfCharacter.get(text[i]!);
    if (byte === undefined) return undefined;
    bytes[i] = byte;
  }
  return bytes;
}

/**
 * Between these neighbours {@link wordPattern} always ends a word, and neither side looks across: no alternative holds a letter before a
 * non-letter, a number before a non-number, or a non-space before a space, and the one lookahead follows spaces only. (A sign before a letter is
 * no such place: `'s`.) So words(a + b) = words(a) + words(b).
 */
const wordEnd = /(?<=\p{L})\P{L}|(?<=\p{N})\P{N}|(?<=\P{White_Space})\p{White_Space}/gu;

/** The last place, at most `limit`, where a text may be cut so that its words are those of the two parts; 0 where there is none. */
export function lastWordEnd(text: string, limit = text.length, allowed: (at: number) => boolean = () => true): number {
  // Looking back in growing windows keeps this independent of the length of the text. A window starts one character early: the pattern looks behind.
  for (let window = 256; ; window *= 4) {
    const from = Math.max(0, limit - window);
    const start = from > 0 && isLowSurrogate(text.charCodeAt(from)) ? from - 1 : from;
    let last = 0;
    for (const match of text.slice(start, limit + 2).matchAll(wordEnd)) {
      const at = start + match.index;
      if (at > 0 && at <= limit && at < text.length && allowed(at)) last = at;
    }
    if (last > 0 || start === 0) return last;
  }
}

const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff;
