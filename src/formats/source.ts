/** Where a format reads its bytes: a file, piece by piece, or bytes already in memory. */
import { openFile } from "#platform";
import { UserError } from "../platform/errors.ts";
import type { OpenOptions } from "../platform/types.ts";

export interface Source {
  /** What error messages call it. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset` on, in memory of their own (the caller may keep and change them). */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export async function fileSource(path: string, options?: OpenOptions): Promise<Source> {
  return { name: path, ...(await openFile(path, options)) };
}

export function bytesSource(bytes: Uint8Array, name: string): Source {
  return {
    name,
    size: bytes.length,
    read: async (offset, length) => {
      if (offset + length > bytes.length) {
        throw new UserError(
          `${name} ends at byte ${bytes.length}, but bytes ${offset} to ${offset + length} are needed: the file is incomplete`,
        );
      }
      return bytes.slice(offset, offset + length);
    },
  };
}
