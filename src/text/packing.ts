/**
 * Text files to one packed token file, as a stream: documents are encoded, joined with one end-of-text token between them (where the vocabulary
 * has one), and written once. Windows are cut later, from the whole (batches.ts).
 *
 * The file: `count` tokens, uint16 or uint32, little endian, from byte 0 on; then a {@link PackedHeader} as JSON; its length in bytes as uint32;
 * the eight characters SEDDTOK1. The header stands at the end because it is known last, and so one atomic write makes the whole file.
 */
import { baseName, fileSize, writeFileAtomic } from "#platform";
import { UserError } from "../platform/errors.ts";
import { UnknownCharacterError } from "./character.ts";
import { alignPieces, emptyCorpus, readDocuments, type CorpusOptions, type DocumentPiece } from "./corpus.ts";
import { fingerprint, type Tokenizer } from "./tokenizer.ts";

/** What a packed file says of itself. */
export interface PackedHeader {
  readonly version: 1;
  readonly type: "uint16" | "uint32";
  /** Tokens, those of end-of-text included. */
  readonly count: number;
  /** Documents with text in them. */
  readonly documents: number;
  /** Code points of the text, without separators. */
  readonly characters: number;
  /** {@link fingerprint} of the tokenizer. */
  readonly tokenizer: string;
  /** Vocabulary size; every token is below it. */
  readonly vocabulary: number;
  /** The id between documents, null where the vocabulary has none. */
  readonly endOfText: number | null;
  readonly sources: readonly { readonly name: string; readonly bytes: number }[];
}

export const PACKED_MAGIC = "SEDDTOK1";

export interface PackOptions extends CorpusOptions {
  /** Text files, UTF-8, in this order. A file is one document unless there is a separator. */
  files: readonly string[];
  tokenizer: Tokenizer;
  /** Text that ends a document inside a file; it is not kept, so the tokenizer must have an end-of-text token to stand there. */
  separator?: string;
  /** The file to write. */
  out: string;
  /** Called now and then with the bytes of text encoded so far (separators not counted) and those of all files. */
  onProgress?: (done: number, total: number) => void;
}

/** Packs text files. UserError for an empty corpus, invalid UTF-8 or an unknown character (with file and place); then nothing is written. */
export async function packFiles(options: PackOptions): Promise<PackedHeader> {
  const { files, tokenizer, separator, out } = options;
  if (files.length === 0) throw new UserError("files: none given; packing takes at least one text file");
  if (separator !== undefined && tokenizer.endOfText === undefined) {
    const given = JSON.stringify(separator);
    throw new UserError(
      `separator: ${given} needs a tokenizer with an <|endoftext|> token to stand in its place; train one with that special token`,
    );
  }
  const sources: { name: string; bytes: number }[] = [];
  for (const file of files) sources.push({ name: baseName(file), bytes: await fileSize(file) });
  const total = sources.reduce((sum, source) => sum + source.bytes, 0);
  const Packed = tokenizer.size <= 2 ** 16 ? Uint16Array : Uint32Array;

  let header: PackedHeader | undefined;
  const identity = await fingerprint(tokenizer);
  async function* content(): AsyncGenerator<Uint8Array> {
    let [count, documents, characters, done] = [0, 0, 0, 0];
    for (const file of files) {
      let open = false;
      for await (const piece of alignPieces(readDocuments(file, separator, options), tokenizer.lastCut, file)) {
        const ids = encodePiece(tokenizer, piece, file);
        const boundary = !open && documents > 0 && tokenizer.endOfText !== undefined ? [tokenizer.endOfText] : [];
        const packed = new Packed(boundary.length + ids.length);
        packed.set(boundary);
        packed.set(ids, boundary.length);
        if (!open) documents++;
        open = !piece.last;
        count += packed.length;
        const measured = measure(piece.text);
        characters += measured.codePoints;
        done += measured.bytes;
        yield new Uint8Array(packed.buffer);
        options.onProgress?.(done, total);
      }
    }
    if (count === 0) throw emptyCorpus(files);
    header = {
      version: 1,
      type: Packed === Uint16Array ? "uint16" : "uint32",
      count,
      documents,
      characters,
      tokenizer: identity,
      vocabulary: tokenizer.size,
      endOfText: tokenizer.endOfText ?? null,
      sources,
    };
    yield footer(header);
  }
  await writeFileAtomic(out, content());
  return header!;
}

function encodePiece(tokenizer: Tokenizer, { text, from }: DocumentPiece, file: string): Int32Array {
  try {
    return tokenizer.encode(text);
  } catch (error) {
    throw error instanceof UnknownCharacterError ? error.within(file, from) : error;
  }
}

function footer(header: PackedHeader): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(json.length + 4 + PACKED_MAGIC.length);
  bytes.set(json);
  new DataView(bytes.buffer).setUint32(json.length, json.length, true);
  bytes.set(new TextEncoder().encode(PACKED_MAGIC), json.length + 4);
  return bytes;
}

/** Code points, and bytes in UTF-8, of a well-formed text. */
function measure(text: string): { codePoints: number; bytes: number } {
  let [codePoints, bytes] = [text.length, text.length];
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    const surrogate = (unit & 0xf800) === 0xd800; // a pair has four bytes, two a unit
    bytes += unit < 0x800 || surrogate ? 1 : 2;
    if ((unit & 0xfc00) === 0xdc00) codePoints--;
  }
  return { codePoints, bytes };
}
