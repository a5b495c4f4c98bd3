/** Bytes of tokens to text: whole, or token by token, with MASK and broken UTF-8 shown rather than thrown. */
import type { DecodeOptions } from "./interface.ts";

/** `bytesOf[id]` are a token's bytes; the id just above the last token is MASK. */
export function piecesOf(bytesOf: readonly Uint8Array[], ids: Int32Array | readonly number[], options: DecodeOptions = {}): string[] {
  const mask = options.mask ?? "▁";
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const pieces: string[] = [];
  // What the decoder still holds at the end of a run of tokens is the beginning of a character that never came: U+FFFD at the last token.
  const flush = (): void => {
    const left = decoder.decode();
    if (left.length > 0) pieces[pieces.length - 1] += left;
  };
  for (const id of ids) {
    if (id === bytesOf.length) {
      flush();
      pieces.push(mask);
    } else {
      pieces.push(decoder.decode(bytesFor(bytesOf, id), { stream: true }));
    }
  }
  flush();
  return pieces;
}

/** The same, joined; faster, as every run between two MASKs is decoded at once. */
export function textOf(bytesOf: readonly Uint8Array[], ids: Int32Array | readonly number[], options: DecodeOptions = {}): string {
  const mask = options.mask ?? "▁";
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let total = 0;
  for (const id of ids) if (id !== bytesOf.length) total += bytesFor(bytesOf, id).length;
  const buffer = new Uint8Array(total);
  let text = "";
  let start = 0;
  let end = 0;
  for (const id of ids) {
    if (id === bytesOf.length) {
      text += decoder.decode(buffer.subarray(start, end)) + mask;
      start = end;
    } else {
      buffer.set(bytesOf[id]!, end);
      end += bytesOf[id]!.length;
    }
  }
  return text + decoder.decode(buffer.subarray(start, end));
}

/** A token's bytes, or a RangeError that names the id. */
export function bytesFor(bytesOf: readonly Uint8Array[], id: number): Uint8Array {
  const bytes = bytesOf[id];
  if (bytes === undefined) throw new RangeError(`decode: token id ${id} is outside 0 … ${bytesOf.length} (the last is MASK)`);
  return bytes;
}
