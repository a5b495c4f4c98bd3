/**
 * Byte-level BPE, the applying half. @huggingface/tokenizers merges; around it stand GPT-2's words with the reference's idea of white space, a
 * cache of words that makes whole corpora practical, and our own decoding, which must survive byte sequences that are not UTF-8. Training is in
 * bpe-training.ts.
 */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import { messageOf, UserError } from "../platform/errors.ts";
import { alphabet, lastWordEnd, spell, unspell, wordsOf } from "./byte-alphabet.ts";
import type { TrainedMerges } from "./bpe-training.ts";
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

/** Words are cached up to this many; then the cache starts anew. 13 MB of English have some 60,000. */
const CACHED_WORDS = 1 << 17;
/** In UTF-16 units; longer words are rare, and not worth their memory. */
const CACHED_LENGTH = 128;

/** From the contents of a tokenizer.json whose model is BPE on bytes: ours, GPT-2's, and others of that family. */
export function bpeTokenizer(json: unknown): Tokenizer {
  const file = tokenizerFile(json);
  const bytesOf = vocabularyBytes(file);
  checkMerges(file);
  const library = build(file);
  const added = file.added_tokens;
  const endOfText = added.find((token) => token.content === END_OF_TEXT)?.id;

  // GPT-2's own pre-tokenisation, and nothing around it, goes our way; whatever else a file may hold is left to the library as it is.
  const plain = isPlainByteLevel(file.pre_tokenizer) && file.normalizer === null && added.every((token) => !(token.lstrip || token.rstrip));
  const encodeWords = plain ? wordEncoder(library) : undefined;
  const encodeText = (text: string): ArrayLike<number> => library.encode(text, { add_special_tokens: false }).ids;

  return {
    kind: "bpe",
    size: bytesOf.length,
    endOfText,
    encode(text) {
      requireWellFormed(text);
      if (encodeWords === undefined) return Int32Array.from(encodeText(text));
      const out = new IdList();
      for (const section of sections(text, added)) {
        if (typeof section === "number") out.push(section);
        else encodeWords(section, out);
      }
      return out.take();
    },
    decode: (ids, options) => textOf(bytesOf, ids, options),
    pieces: (ids, options) => piecesOf(bytesOf, ids, options),
    pieceBytes: (id) => (id === bytesOf.length ? new Uint8Array(0) : bytesFor(bytesOf, id).slice()),
    lastCut: (text) => (plain ? lastCutOutside(text, added, (limit, allowed) => lastWordEnd(text, limit, allowed)) : 0),
    toJSON: () => json,
  };
}

/** The tokenizer.json of trained merges: the alphabet, then what merges make, then the special tokens. */
export function bpeFile({ symbols, merges }: TrainedMerges, special: readonly string[] = []): unknown {
  const tokens = symbols.map((symbol) => Array.from(symbol, (index) => alphabet[index.charCodeAt(0)]!).join(""));
  return byteLevelFile(
    Object.fromEntries(tokens.map((token, id) => [token, id])),
    merges.map(([left, right]) => [tokens[left]!, tokens[right]!]),
    special.map((content, index) => specialToken(content, tokens.length + index)),
  );
}

/** The tokenizer.json of a byte-level BPE. */
export function byteLevelFile(vocab: unknown, merges: readonly (readonly string[])[], added: readonly object[]): unknown {
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  return { ...emptyFile, added_tokens: added, pre_tokenizer: byteLevel, decoder: byteLevel, model: { ...emptyModel, vocab, merges } };
}

function build(file: TokenizerFile): Library {
  try {
    return new Library(file, { clean_up_tokenization_spaces: false });
  } catch (error) {
    throw new UserError(`the tokenizer library does not accept it: ${messageOf(error)}`);
  }
}

/** Encodes words through a cache; the library's BPE runs once for each new one. */
function wordEncoder(library: Library): (text: string, out: IdList) => void {
  const model = library.model!;
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let cache = new Map<string, readonly number[]>();
  return (text, out) => {
    for (const word of wordsOf(text)) {
      let ids = cache.get(word);
      if (ids === undefined) {
        const bytes = encoder.encode(word);
        ids = model.encode([spell(bytes)]).map((token: string) => model.tokens_to_ids.get(token)!) as number[];
        if (word.length <= CACHED_LENGTH) {
          if (cache.size >= CACHED_WORDS) cache = new Map();
          cache.set(decoder.decode(bytes), ids); // a fresh string: a slice would keep its whole text alive
        }
      }
      for (const id of ids) out.push(id);
    }
  };
}

/** Token bytes by id. Added tokens are spelled as they are, the others in the byte alphabet. Ids that a file leaves out have no bytes. */
function vocabularyBytes(file: TokenizerFile): Uint8Array[] {
  const encoder = new TextEncoder();
  const bytes: Uint8Array[] = [];
  for (const [token, id] of Object.entries(file.model.vocab)) bytes[id] = unspell(token) ?? encoder.encode(token);
  for (const token of file.added_tokens) bytes[token.id] = encoder.encode(token.content);
  for (let byte = 0; byte < 256; byte++) {
    const token = spell(Uint8Array.of(byte));
    if (!Object.hasOwn(file.model.vocab, token)) {
      throw new UserError(`the vocabulary lacks byte 0x${byte.toString(16).padStart(2, "0")} ("${token}"); a byte-level BPE has all 256`);
    }
  }
  return Array.from(bytes, (entry) => entry ?? new Uint8Array(0));
}

/** The library would leave out text for which a merge makes a token that the vocabulary lacks. */
function checkMerges({ model }: TokenizerFile): void {
  for (const key of ["continuing_subword_prefix", "end_of_word_suffix"] as const)
    if (model[key]) throw new UserError(`${key}: ${JSON.stringify(model[key])} is not supported in a byte-level BPE`);
  for (const merge of model.merges ?? []) {
    const [left, right] = typeof merge === "string" ? merge.split(" ") : merge;
    const made = `${left}${right}`;
    if (!Object.hasOwn(model.vocab, made))
      throw new UserError(
        `the merge of ${JSON.stringify(left)} and ${JSON.stringify(right)} makes ${JSON.stringify(made)}, which the vocabulary lacks; give vocabulary and merges of one model`,
      );
  }
}

/** GPT-2's pre-tokenizer, as its file has it. */
function isPlainByteLevel(preTokenizer: TokenizerFile["pre_tokenizer"]): boolean {
  return preTokenizer?.type === "ByteLevel" && preTokenizer["add_prefix_space"] !== true && preTokenizer["use_regex"] !== false;
}

/** A growing list of ids. */
class IdList {
  #ids = new Int32Array(256);
  #length = 0;

  push(id: number): void {
    if (this.#length === this.#ids.length) {
      const larger = new Int32Array(2 * this.#length);
      larger.set(this.#ids);
      this.#ids = larger;
    }
    this.#ids[this.#length++] = id;
  }

  take(): Int32Array {
    return this.#ids.slice(0, this.#length);
  }
}
