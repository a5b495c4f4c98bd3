/**
 * Text files as a stream of strings: strict UTF-8, bounded memory, and documents told apart. What is read is what is in the file: no
 * normalisation, line ends and a byte order mark kept.
 */
import { fileSize, readRange } from "#platform";
import { UserError } from "../platform/errors.ts";
import { invalidUtf8At } from "../platform/utf8.ts";

export interface CorpusOptions {
  /** Bytes read at a time. Any value gives the same text. */
  chunkBytes?: number;
  signal?: AbortSignal;
  /** Called with the bytes of every chunk. */
  onRead?: (bytes: number) => void;
}

const CHUNK_BYTES = 1 << 20;

/** Files without a character in them. */
export const emptyCorpus = (files: readonly string[]): UserError =>
  new UserError(`${files.join(", ")}: the corpus is empty; give at least one file with text`);

/** The text of a file in pieces cut at code points. An empty file gives no piece. Invalid UTF-8 is a UserError with the file and the byte offset. */
export async function* readTextChunks(path: string, options: CorpusOptions = {}): AsyncGenerator<string> {
  const chunkBytes = Math.max(1, options.chunkBytes ?? CHUNK_BYTES);
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const size = await fileSize(path);
  let rest = new Uint8Array(0); // the beginning of a code point that the chunk's end cut
  for (let offset = 0; offset < size;) {
    options.signal?.throwIfAborted();
    const read = await readRange(path, offset, Math.min(chunkBytes, size - offset));
    const bytes = new Uint8Array(rest.length + read.length);
    bytes.set(rest);
    bytes.set(read, rest.length);
    const start = offset - rest.length;
    offset += read.length;
    const end = offset < size ? completeLength(bytes) : bytes.length;
    let text: string;
    try {
      text = decoder.decode(bytes.subarray(0, end));
    } catch (error) {
      const at = invalidUtf8At(bytes);
      if (at < 0) throw error;
      const byte = bytes[at]!.toString(16).padStart(2, "0");
      throw new UserError(
        `${path}: not valid UTF-8 at byte offset ${start + at} (byte 0x${byte}); convert it, for example with iconv -t utf-8`,
      );
    }
    rest = bytes.slice(end);
    if (text.length > 0) yield text;
    options.onRead?.(read.length);
  }
}

/** How many bytes remain when a code point that is cut at the end is left off. */
function completeLength(bytes: Uint8Array): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]!;
    if ((byte & 0xc0) === 0x80) continue; // a continuation
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** A piece of a document; `last` closes it. A document may be empty. */
export interface DocumentPiece {
  readonly text: string;
  /** Where it begins in its file, in UTF-16 units. */
  readonly from: number;
  readonly last: boolean;
}

/**
 * The documents of a file, in pieces. Without a separator a file is one document; with one it is cut at every occurrence, which belongs to no
 * document, and documents with no text in them are left out.
 */
export async function* readDocuments(path: string, separator?: string, options: CorpusOptions = {}): AsyncGenerator<DocumentPiece> {
  if (separator === "")
    throw new UserError('separator: "" would end a document everywhere; give a text, or leave it out for one document a file');
  let held = "";
  let start = 0; // of what is held, in the file
  let open = false; // a document with text has begun
  for await (const chunk of readTextChunks(path, options)) {
    held += chunk;
    if (separator === undefined) {
      yield { text: held, from: start, last: false };
      open = true;
      start += held.length;
      held = "";
      continue;
    }
    let from = 0;
    for (let at: number; (at = held.indexOf(separator, from)) >= 0; from = at + separator.length) {
      if (open || at > from) yield { text: held.slice(from, at), from: start + from, last: true };
      open = false;
    }
    // The end may be the beginning of a separator.
    const keep = Math.max(from, codePointStart(held, held.length - separator.length + 1));
    if (keep > from) {
      yield { text: held.slice(from, keep), from: start + from, last: false };
      open = true;
    }
    held = held.slice(keep);
    start += keep;
  }
  if (open || held.length > 0) yield { text: held, from: start, last: true };
}

/** The place itself, or one before it where it lies within a surrogate pair. */
function codePointStart(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at - 1 : at;
}

/** Longest stretch, in UTF-16 units, that is held while a place to cut is looked for. */
const MAXIMUM_STRETCH = 2 ** 27;

/**
 * The same documents in pieces that begin and end where `lastCut` allows, so that encoding piece by piece gives the tokens of the whole text.
 * Pieces without text are left out unless they close a document.
 */
export async function* alignPieces(
  pieces: AsyncIterable<DocumentPiece>,
  lastCut: (text: string) => number,
  name: string,
): AsyncGenerator<DocumentPiece> {
  let held = "";
  let from = 0; // of what is held, in the file
  let tried = 0; // length at which the last search found nothing: the next one waits until it has doubled
  for await (const piece of pieces) {
    if (held === "") from = piece.from;
    held += piece.text;
    if (piece.last) {
      yield { text: held, from, last: true };
      held = "";
      tried = 0;
      continue;
    }
    if (held.length < 2 * tried) continue;
    const at = lastCut(held);
    if (at > 0) yield { text: held.slice(0, at), from, last: false };
    held = held.slice(at);
    from += at;
    tried = at > 0 ? 0 : held.length;
    if (held.length > MAXIMUM_STRETCH) {
      throw new UserError(
        `${name}: no place to cut the text in ${held.length} characters; give a separator, or break the text with spaces`,
      );
    }
  }
  if (held.length > 0) yield { text: held, from, last: false };
}
