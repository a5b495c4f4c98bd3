/**
 * Characters as tokens: an alphabet of code points, each with an id. Its tokenizer.json is a BPE model without merges, cut at every character, which
 * every reader of the format understands.
 */
import { UserError } from "../platform/errors.ts";
import { bytesFor, piecesOf, textOf } from "./decoding.ts";
import {
  emptyFile,
  emptyModel,
  lastCutOutside,
  requireWellFormed,
  sections,
  specialToken,
  tokenizerFile,
  type TokenizerFile,
} from "./format.ts";
import { END_OF_TEXT, type Tokenizer } from "./interface.ts";

/** Whether a tokenizer.json is a character tokenizer: a BPE model with no merges, whose tokens are not spelled bytes. */
export function isCharacterTokenizer(json: unknown): boolean {
  const file = json as Partial<TokenizerFile> | null;
  const merges = file?.model?.merges;
  return Array.isArray(merges) && merges.length === 0 && !usesBytes(file?.pre_tokenizer) && !usesBytes(file?.decoder);
}

const usesBytes = (part: unknown): boolean => part !== undefined && JSON.stringify(part).includes('"ByteLevel"');

/** The tokenizer.json of an alphabet, ids in the given order. */
export function characterFile(characters: readonly string[], special: readonly string[] = []): unknown {
  const id = (index: number): number => characters.length + index;
  return {
    ...emptyFile,
    added_tokens: special.map((content, index) => specialToken(content, id(index))),
    pre_tokenizer: { type: "Split", pattern: { Regex: "[\\s\\S]" }, behavior: "Isolated", invert: false },
    decoder: { type: "Fuse" },
    model: {
      ...emptyModel,
      vocab: Object.fromEntries(characters.map((character, index) => [character, index])),
      merges: [],
    },
  };
}

/** From the contents of a tokenizer.json as {@link characterFile} writes it. */
export function characterTokenizer(json: unknown): Tokenizer {
  const file = tokenizerFile(json);
  const added = file.added_tokens;
  const special = new Set(added.map((token) => token.content));
  const encoder = new TextEncoder();
  const ids = new Map<string, number>();
  const bytesOf: Uint8Array[] = [];
  for (const [token, id] of Object.entries(file.model.vocab)) {
    if (!special.has(token)) {
      if ([...token].length !== 1) throw new UserError(`token ${JSON.stringify(token)} is not one character, in a tokenizer of characters`);
      ids.set(token, id);
    }
    bytesOf[id] = encoder.encode(token);
  }
  for (const token of added) bytesOf[token.id] = encoder.encode(token.content);
  for (let id = 0; id < bytesOf.length; id++) if (bytesOf[id] === undefined) throw new UserError(`no character has id ${id}`);

  return {
    kind: "character",
    size: bytesOf.length,
    endOfText: added.find((token) => token.content === END_OF_TEXT)?.id,
    encode(text) {
      requireWellFormed(text);
      const out = new Int32Array(text.length);
      let count = 0;
      let at = 0;
      for (const section of sections(text, added)) {
        if (typeof section === "number") {
          out[count++] = section;
          at += added.find((token) => token.id === section)!.content.length;
          continue;
        }
        for (const character of section) {
          const id = ids.get(character);
          if (id === undefined) throw new UnknownCharacterError(character, at, ids.size);
          out[count++] = id;
          at += character.length;
        }
      }
      return out.slice(0, count);
    },
    decode: (list, options) => textOf(bytesOf, list, options),
    pieces: (list, options) => piecesOf(bytesOf, list, options),
    pieceBytes: (id) => (id === bytesOf.length ? new Uint8Array(0) : bytesFor(bytesOf, id).slice()),
    lastCut: (text) => lastCutOutside(text, added, (limit, allowed) => lastCharacterEnd(text, limit, allowed)),
    toJSON: () => json,
  };
}

/** A character that the alphabet lacks. */
export class UnknownCharacterError extends UserError {
  readonly #character: string;
  readonly #position: number;
  readonly #alphabetSize: number;

  constructor(character: string, position: number, alphabetSize: number, name = "text") {
    const codePoint = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0");
    super(
      `${name}: character ${JSON.stringify(character)} (U+${codePoint}) at position ${position} is not in the alphabet of ${alphabetSize} ` +
        "characters; train a tokenizer on a text that has it, or use a byte-level one",
    );
    this.#character = character;
    this.#position = position;
    this.#alphabetSize = alphabetSize;
  }

  /** The same error for a text that is a part of a file, from `offset` on. */
  within(file: string, offset: number): UnknownCharacterError {
    return new UnknownCharacterError(this.#character, offset + this.#position, this.#alphabetSize, file);
  }
}

/** The last place, at most `limit`, that lies in no surrogate pair; 0 where there is none. */
export function lastCharacterEnd(text: string, limit = text.length, allowed: (at: number) => boolean = () => true): number {
  for (let at = limit; at > 0; at--) {
    const unit = text.charCodeAt(at); // NaN at the end
    const withinPair = unit >= 0xdc00 && unit <= 0xdfff;
    if (!withinPair && allowed(at)) return at;
  }
  return 0;
}
