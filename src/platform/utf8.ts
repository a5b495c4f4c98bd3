/** Strict UTF-8: decoding that names the offset of the first bad byte, which `TextDecoder` does not tell. */
import { UserError } from "./errors.ts";

/**
 * The offset of the first byte at which `bytes` stop being well-formed UTF-8 (Unicode 16, table 3-7: no overlong forms, no surrogates, nothing above
 * U+10FFFF), or −1. A sequence that the end cuts off is reported at its first byte.
 */
export function invalidUtf8At(bytes: Uint8Array): number {
  const end = bytes.length;
  let at = 0;
  while (at < end) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const length = lead >= 0xc2 && lead <= 0xdf ? 2 : lead >= 0xe0 && lead <= 0xef ? 3 : lead >= 0xf0 && lead <= 0xf4 ? 4 : 0;
    if (length === 0 || at + length > end) return at;
    // Only the second byte has a narrower range than 80–BF, and only after these four.
    const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (bytes[at + 1]! < low || bytes[at + 1]! > high) return at;
    for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return at;
    at += length;
  }
  return -1;
}

/** The text of well-formed UTF-8 (a byte order mark stays in it), or `undefined`. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (invalidUtf8At(bytes) >= 0) return undefined;
    throw error; // well-formed, but longer than a string can be
  }
}

/** Without a byte order mark, which is no text. */
export const withoutMark = (text: string): string => text.replace(/^\uFEFF/, "");

/** The text of a file; UserError where it is not well-formed. */
export function fileText(path: string, bytes: Uint8Array): string {
  const text = decodeUtf8(bytes);
  if (text === undefined)
    throw new UserError(`${path} is not UTF-8: invalid byte at offset ${invalidUtf8At(bytes)}; convert the file to UTF-8`);
  return text;
}
