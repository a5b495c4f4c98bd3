/**
 * One file of a hub's model into its place in the cache (Node only): asked for only if it changed, gone on with where an earlier try broke off, begun anew where
 * that will not do.
 */
import { exists, joinPath, openPartial, partialSize, removeFile } from "#platform";
import { UserError } from "../platform/errors.ts";
import { statedLength } from "../platform/stated-length.ts";
import type { OpenOptions, PartialFile } from "../platform/types.ts";
import type { CachedModel, KeptFile } from "./hub-cache.ts";
import { causeOf, requestFile, type Answer, type Repository } from "./hub-request.ts";

export interface Fetched {
  /** Whether the hub has such a file. */
  readonly found: boolean;
  /** The state of the repository that it is of, where the hub tells it. */
  readonly commit: string | undefined;
}

/**
 * @throws UserError when the hub cannot be reached or refuses, the file comes short, the disk is full; the signal's reason when it aborts. What has come by then
 * stays for the next try.
 */
export async function fetchFile(repository: Repository, cached: CachedModel, name: string, options: OpenOptions): Promise<Fetched> {
  const path = joinPath(cached.folder, name);
  const { response, commit, from, total } = await answerFor(repository, cached, name, options.signal);
  if (response.status === 304) return { found: true, commit };
  if (response.status === 404) {
    // What is here of it goes when all the others have come: a model that is gone from the hub is not to be lost here.
    await response.body?.cancel();
    return { found: false, commit };
  }
  // What is here is of another state.
  await removeFile(path);
  const file = await openPartial(path, from);
  try {
    // After the old bytes are gone and before new ones come, so that the record is always of what lies there.
    if (from === 0) await cached.remember(name, keptFile(response.headers.get("etag"), total));
    await receive(`model ${repository.id}: ${name}`, response, file, { name, from, total }, options);
    await file.finish();
  } finally {
    await file.close();
  }
  return { found: true, commit };
}

interface Beginning extends Answer {
  /** How many bytes of an earlier try it goes on after. */
  readonly from: number;
  /** The whole file's bytes, where the server states them. */
  readonly total: number | undefined;
}

/** The file's answer: 304 where what is here is current, 404, or a body. */
async function answerFor(
  repository: Repository,
  { folder, known }: CachedModel,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Beginning> {
  const path = joinPath(folder, name);
  const kept = known(name);
  const isHere = await exists(path);
  const from = isHere ? 0 : resumable(kept, await partialSize(path));
  const etag = kept?.etag;
  const headers: Record<string, string> =
    etag === undefined ? {} : isHere ? { "if-none-match": etag } : from > 0 ? { range: `bytes=${from}-`, "if-range": etag } : {};
  const answer = await requestFile(repository, name, headers, signal);
  const { status } = answer.response;
  if (status === 206 && continues(answer.response, from, kept)) return { ...answer, from, total: kept?.size };
  if (isWhole(status) || (status === 304 && isHere)) return { ...answer, from: 0, total: statedLength(answer.response.headers) };
  // No rest of what is here: then the file from its beginning.
  await answer.response.body?.cancel();
  const whole = await requestFile(repository, name, {}, signal);
  if (isWhole(whole.response.status)) return { ...whole, from: 0, total: statedLength(whole.response.headers) };
  await whole.response.body?.cancel();
  throw new UserError(`model ${repository.id}: ${repository.endpoint} answers ${whole.response.status} for ${name}; try again later`);
}

/** The file, or that there is none. */
const isWhole = (status: number): boolean => status === 200 || status === 404;

/** How much of an earlier try to go on after: less than the whole, so that there is a range to ask for. A weak tag (W/"…") does not promise the same bytes. */
const resumable = (kept: KeptFile | undefined, size: number): number =>
  kept?.size !== undefined && kept.etag?.startsWith('"') ? Math.max(0, Math.min(size, kept.size - 1)) : 0;

/** Whether a range is the rest of what was begun; the server should have seen to it. */
function continues({ headers }: Response, from: number, kept: KeptFile | undefined): boolean {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "");
  const etag = headers.get("etag");
  return from > 0 && Number(range?.[1]) === from && Number(range?.[2]) === kept?.size && (etag === null || etag === kept.etag);
}

const keptFile = (etag: string | null, size: number | undefined): KeptFile => ({
  ...(etag === null ? {} : { etag }),
  ...(size === undefined ? {} : { size }),
});

/** The body to its end, at the end of the file. */
async function receive(
  what: string,
  { body }: Response,
  file: PartialFile,
  { name, from, total }: { readonly name: string; readonly from: number; readonly total: number | undefined },
  { onProgress, signal }: OpenOptions,
): Promise<void> {
  const reader = body!.getReader();
  let loaded = from;
  const short = (why: string): UserError =>
    new UserError(`${what} broke off after ${loaded} of ${total ?? "unknown"} bytes${why}; try again, which goes on from there if it can`);
  try {
    for (;;) {
      onProgress?.({ file: name, loaded, total });
      const { done, value } = await reader.read().catch((error: unknown) => {
        signal?.throwIfAborted();
        throw short(` (${causeOf(error)})`);
      });
      if (done) break;
      await file.append(value);
      loaded += value.length;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
  if (total !== undefined && loaded !== total) throw short("");
}
