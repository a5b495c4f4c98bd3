/**
 * A file that comes in several tries: it grows beside its place, stays there when something interrupts it, and is moved to its place when it is
 * whole. What is written in one go is `writeFileAtomic`'s.
 */
import * as fs from "node:fs/promises";
import { fileError } from "./failures.ts";
import type { PartialFile } from "./types.ts";

const besideOf = (path: string): string => `${path}.part`;

export const partialSize = (path: string): Promise<number> =>
  fs.stat(besideOf(path)).then(
    ({ size }) => size,
    () => 0,
  );

export async function openPartial(path: string, keep: number): Promise<PartialFile> {
  const beside = besideOf(path);
  const written = async <T>(doing: () => Promise<T>): Promise<T> => {
    try {
      return await doing();
    } catch (error) {
      throw fileError("write", path, error);
    }
  };
  const file = await written(() => fs.open(beside, keep > 0 ? "r+" : "w"));
  if (keep > 0) await written(() => file.truncate(keep));
  let end = keep;
  return {
    append: (bytes) =>
      written(async () => {
        for (let done = 0; done < bytes.length;) {
          const { bytesWritten } = await file.write(bytes, done, bytes.length - done, end);
          done += bytesWritten;
          end += bytesWritten;
        }
      }),
    finish: () =>
      written(async () => {
        await file.sync();
        await file.close();
        await fs.rename(beside, path);
      }),
    close: () => file.close().catch(() => undefined),
  };
}
