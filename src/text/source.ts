/** Tokens to take windows from: in memory, or in a packed file of any size. What windows to take is decided in batches.ts. */
import { fileSize, readFile, readRange } from "#platform";
import { z } from "zod";
import { UserError } from "../platform/errors.ts";
import { PACKED_MAGIC, type PackedHeader } from "./packing.ts";

export interface TokenSource {
  /** How many tokens there are. */
  readonly count: number;
  /** Tokens start … start + length − 1. RangeError where there are no such tokens. */
  window(start: number, length: number): Promise<Int32Array>;
}

export interface PackedSource extends TokenSource {
  readonly header: PackedHeader;
}

/** Tokens that are in memory already. */
export function memorySource(tokens: Int32Array | Uint16Array | Uint32Array | readonly number[]): TokenSource {
  return {
    count: tokens.length,
    async window(start, length) {
      requireInside(tokens.length, start, length);
      return Int32Array.from(tokens.slice(start, start + length));
    },
  };
}

const FOOTER_END = 4 + PACKED_MAGIC.length;

const headerSchema = z.object({
  version: z.literal(1),
  type: z.enum(["uint16", "uint32"]),
  count: z.int().min(1),
  documents: z.int().min(1),
  characters: z.int().min(1),
  tokenizer: z.string(),
  vocabulary: z.int().min(1),
  endOfText: z.int().nullable(),
  sources: z.array(z.object({ name: z.string(), bytes: z.int().min(0) })),
});

/**
 * Opens a file that `packFiles` wrote; one up to `memoryBytes` (default 256 MiB) is read whole, of a larger one only the windows asked for.
 * UserError for a file that is none, or was cut.
 */
export async function openTokens(path: string, options: { memoryBytes?: number } = {}): Promise<PackedSource> {
  const size = await fileSize(path);
  const header = await readHeader(path, size);
  const Packed = header.type === "uint16" ? Uint16Array : Uint32Array;
  const width = Packed.BYTES_PER_ELEMENT;
  const tokensOf = (bytes: Uint8Array): Uint16Array | Uint32Array => {
    const aligned = bytes.byteOffset % width === 0 ? bytes : Uint8Array.from(bytes);
    return new Packed(aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / width);
  };
  if (size <= (options.memoryBytes ?? 2 ** 28)) {
    const bytes = await readFile(path);
    return { ...memorySource(tokensOf(bytes.subarray(0, header.count * width))), header };
  }
  return {
    count: header.count,
    header,
    async window(start, length) {
      requireInside(header.count, start, length);
      return Int32Array.from(tokensOf(await readRange(path, start * width, length * width)));
    },
  };
}

async function readHeader(path: string, size: number): Promise<PackedHeader> {
  const broken = (what: string): UserError => new UserError(`${path}: ${what}; pack the text again`);
  if (size < FOOTER_END) throw broken(`no packed token file (${size} bytes)`);
  const end = await readRange(path, size - FOOTER_END, FOOTER_END);
  if (new TextDecoder().decode(end.subarray(4)) !== PACKED_MAGIC) throw broken("no packed token file, or cut off at its end");
  const length = new DataView(end.buffer, end.byteOffset).getUint32(0, true);
  if (length > size - FOOTER_END) throw broken("its header is damaged");
  let parsed;
  try {
    parsed = headerSchema.safeParse(JSON.parse(new TextDecoder().decode(await readRange(path, size - FOOTER_END - length, length))));
  } catch (error) {
    if (error instanceof SyntaxError) throw broken("its header is damaged");
    throw error;
  }
  if (!parsed.success) throw broken(`its header is damaged or of another version (${parsed.error.issues[0]!.path.join(".")})`);
  const header = parsed.data;
  const expected = header.count * (header.type === "uint16" ? 2 : 4) + length + FOOTER_END;
  if (size !== expected) throw broken(`${size} bytes instead of the ${expected} its header speaks of`);
  return header;
}

function requireInside(count: number, start: number, length: number): void {
  if (!Number.isInteger(start) || !Number.isInteger(length) || start < 0 || length < 0 || start + length > count) {
    throw new RangeError(`window: tokens ${start} … ${start + length - 1} of ${count} do not exist`);
  }
}
