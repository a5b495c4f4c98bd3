/** How far the files of a hub's model are, one after the other; nothing of files that are on this machine already. */
import type { Progress } from "../platform/types.ts";
import type { Output } from "./io.ts";
import { percentProgress, type PercentProgress } from "./progress.ts";

/** What `load` and `findModel` are given in `doing`. */
export async function showingDownloads<T>(output: Output, doing: (onProgress: (progress: Progress) => void) => Promise<T>): Promise<T> {
  let current: { readonly file: string; readonly shown: PercentProgress } | undefined;
  const onProgress = ({ file, loaded, total }: Progress): void => {
    // A file that is read rather than downloaded is all there in its first report.
    if (total === undefined || (current?.file !== file && loaded === total)) return;
    if (current?.file !== file) {
      current?.shown.close();
      current = { file, shown: percentProgress(output, `downloading ${file}`) };
    }
    current.shown.update(loaded, total);
  };
  try {
    return await doing(onProgress);
  } finally {
    current?.shown.close();
  }
}
