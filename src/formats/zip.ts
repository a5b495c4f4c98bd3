/**
 * Finds the entries of a zip archive as `torch.save` writes it: stored, not compressed; zip64 where needed. Nothing is unpacked to disk. The format is
 * PKWARE's APPNOTE 6.3; the names of records are its own.
 */
import { UserError } from "../platform/errors.ts";
import type { Source } from "./source.ts";

export interface ZipEntry {
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** `length` bytes from `offset` of the entry on; outside the entry is a UserError. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** The entries by name. Anything that is no complete zip archive is a UserError. */
export async function openZip(source: Source): Promise<Map<string, ZipEntry>> {
  const directory = await findDirectory(source);
  const bytes = await read(source, directory.offset, directory.length);
  const entries = new Map<string, ZipEntry>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    const { entry, next } = centralEntry(source, bytes, at);
    if (entries.has(entry.name)) throw broken(source, `it has two entries named ${entry.name}`);
    entries.set(entry.name, entry);
    at = next;
  }
  return entries;
}

const broken = (source: Source, what: string): UserError => new UserError(`${source.name} is damaged or cut off: ${what}`);

async function read(source: Source, offset: number, length: number): Promise<DataView> {
  if (offset + length > source.size) throw broken(source, `bytes ${offset} to ${offset + length} are needed, it has ${source.size}`);
  const bytes = await source.read(offset, length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** 64 bits as a number. A size beyond 2^53 is that of no file, so that the comparisons with the file's size refuse it. */
const uint64 = (view: DataView, at: number): number => Number(view.getBigUint64(at, true));

/** Where the central directory lies, from the end of central directory record (which ends the file, before a comment of up to 65,535 bytes). */
async function findDirectory(source: Source): Promise<{ count: number; offset: number; length: number }> {
  const tailLength = Math.min(source.size, 22 + 65535);
  const tailStart = source.size - tailLength;
  const tail = await read(source, tailStart, tailLength);
  let at = tailLength - 22;
  while (at >= 0 && !(tail.getUint32(at, true) === 0x06054b50 && tail.getUint16(at + 20, true) === tailLength - at - 22)) at--;
  if (at < 0) throw broken(source, "it has no zip directory at its end");
  const directory = { count: tail.getUint16(at + 10, true), length: tail.getUint32(at + 12, true), offset: tail.getUint32(at + 16, true) };
  // The zip64 locator, where there is one, lies just before; its record's 64-bit fields then count.
  if (tailStart + at < 20) return directory;
  const locator = await read(source, tailStart + at - 20, 20);
  if (locator.getUint32(0, true) !== 0x07064b50) return directory;
  const record = await read(source, uint64(locator, 8), 56);
  if (record.getUint32(0, true) !== 0x06064b50) throw broken(source, "its zip64 record is missing");
  return { count: uint64(record, 32), length: uint64(record, 40), offset: uint64(record, 48) };
}

/** The entry whose central header is at `at`, and where the next begins. */
function centralEntry(source: Source, view: DataView, at: number): { entry: ZipEntry; next: number } {
  if (at + 46 > view.byteLength || view.getUint32(at, true) !== 0x02014b50) throw broken(source, "its zip directory is incomplete");
  const nameEnd = at + 46 + view.getUint16(at + 28, true);
  const extraEnd = nameEnd + view.getUint16(at + 30, true);
  const next = extraEnd + view.getUint16(at + 32, true);
  if (next > view.byteLength) throw broken(source, "its zip directory is incomplete");
  const name = new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameEnd - at - 46));
  const method = view.getUint16(at + 10, true);
  const fields = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  wideFields(view, nameEnd, extraEnd, fields);
  const [size, stored, header] = fields as [number, number, number];
  return { entry: { name, size, read: entryReader(source, { name, method, size, stored, header }) }, next };
}

/** Replaces the fields that are 2^32 − 1 by those of the zip64 extra field, which come in the same order. */
function wideFields(view: DataView, from: number, to: number, fields: number[]): void {
  for (let at = from; at + 4 <= to; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 0x0001) continue;
    const end = Math.min(at + 4 + view.getUint16(at + 2, true), to);
    let wide = at + 4;
    for (let i = 0; i < fields.length; i++) {
      if (fields[i] !== 0xffffffff || wide + 8 > end) continue;
      fields[i] = uint64(view, wide);
      wide += 8;
    }
    return;
  }
}

interface Place {
  readonly name: string;
  readonly method: number;
  readonly size: number;
  readonly stored: number;
  readonly header: number;
}

function entryReader(source: Source, { name, method, size, stored, header }: Place): ZipEntry["read"] {
  let start: number | undefined; // known after the first look at the entry's own header, whose length differs from the directory's
  return async (offset, length) => {
    if (method !== 0 || stored !== size) {
      throw new UserError(`${source.name}: the entry ${name} is compressed; torch.save does not compress, so save the file with it again`);
    }
    if (start === undefined) {
      const local = await read(source, header, 30);
      if (local.getUint32(0, true) !== 0x04034b50) throw broken(source, `the entry ${name} is not where the zip directory says`);
      start = header + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    }
    if (offset + length > size) throw broken(source, `the entry ${name} has ${size} bytes, ${offset + length} are needed`);
    const bytes = await read(source, start + offset, length);
    return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
  };
}
