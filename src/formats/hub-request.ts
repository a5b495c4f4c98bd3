/**
 * One request for a file of a model hub (Node only). Redirects are followed here rather than by `fetch`: the token goes to the hub's own origin alone, and what the
 * hub says before it sends elsewhere is kept. Files on disk are not its concern.
 */
import { messageOf, UserError } from "../platform/errors.ts";
import { packageVersion } from "../platform/version.ts";

/** A model of a hub. */
export interface Repository {
  /** owner/name. */
  readonly id: string;
  /** The hub's address, without a slash at its end. */
  readonly endpoint: string;
  readonly token: string | undefined;
}

export interface Answer {
  readonly response: Response;
  /** The state of the repository that the file is of, where the hub tells it. */
  readonly commit: string | undefined;
}

/** A model of the hub that the environment names (HF_ENDPOINT, HF_TOKEN). UserError for values that are none. */
export function repositoryOf(id: string, env: Readonly<Record<string, string | undefined>>): Repository {
  const endpoint = (env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
  if (!URL.canParse(endpoint) || !isHttp(new URL(endpoint)))
    throw new UserError(`HF_ENDPOINT ${endpoint}: is no address of a hub; for example https://huggingface.co`);
  if (new URL(endpoint).username || new URL(endpoint).password)
    throw new UserError("HF_ENDPOINT: holds a name or a password; give the address alone, and a token as HF_TOKEN");
  const token = env["HF_TOKEN"]?.trim() || undefined;
  // Checked here, because the message of a refused header would show the token.
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token)) throw new UserError("HF_TOKEN: holds characters that no token has");
  return { id, endpoint, token };
}

const isHttp = ({ protocol }: URL): boolean => protocol === "https:" || protocol === "http:";

/** The model is in none of the places where models are looked for, this hub being the last. */
export const absent = ({ id }: Pick<Repository, "id">, why: string): UserError =>
  new UserError(`model ${id}: no such folder and no shipped model; ${why}`);

const MOST_REDIRECTS = 10;

/**
 * Asks for a file of the main branch.
 *
 * @param headers a range, or validators of what is here already
 * @returns an answer of status 200, 206, 304, 404 or 416
 * @throws UserError for any other, and where the hub cannot be reached; the signal's reason when it aborts
 */
export async function requestFile(
  repository: Repository,
  name: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
): Promise<Answer> {
  const { id, endpoint, token } = repository;
  const { origin } = new URL(endpoint);
  let address = new URL(`${endpoint}/${id}/resolve/main/${encodeURIComponent(name)}`);
  let commit: string | undefined;
  for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
    const authorization = token !== undefined && address.origin === origin ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch(address, {
      // As it is: ranges and lengths of a compressed transfer are not the file's.
      headers: { ...headers, ...authorization, "accept-encoding": "identity", "user-agent": `sedd/${packageVersion}` },
      redirect: "manual",
      signal: signal ?? null,
    }).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw absent(repository, `${endpoint} cannot be reached (${causeOf(error)}); the path of a folder that was downloaded would do too`);
    });
    commit ??= response.headers.get("x-repo-commit") ?? undefined;
    const next = response.headers.get("location");
    if (![301, 302, 303, 307, 308].includes(response.status) || next === null)
      return { response: await checked(repository, response), commit };
    await response.body?.cancel();
    if (!URL.canParse(next, address.href) || !isHttp((address = new URL(next, address.href)))) break;
  }
  throw new UserError(`model ${id}: ${endpoint} sends from one address to another, and nowhere to ${name}`);
}

/** UserError for an answer that neither has the file nor says that there is none. */
async function checked(repository: Repository, response: Response): Promise<Response> {
  const { status, headers } = response;
  const isPage = status === 200 && (headers.get("content-type") ?? "").startsWith("text/html");
  if ([200, 206, 304, 404, 416].includes(status) && !isPage) return response;
  await response.body?.cancel();
  const { endpoint, token } = repository;
  if (isPage) throw absent(repository, `${endpoint} answers with a web page, as no hub does`);
  // A hub says the same of what is not there, so as not to tell what is private.
  if (status === 401 || status === 403)
    throw absent(
      repository,
      `${endpoint} answers ${status}: it has no such model, or gives it to those alone whose token may read it; HF_TOKEN ${token === undefined ? "is not set" : "holds one that may not"}`,
    );
  throw absent(repository, `${endpoint} answers ${status}; try again later`);
}

/** What keeps a connection from being made; `fetch` itself says only that it failed. */
export function causeOf(error: unknown): string {
  const cause: unknown = error instanceof Error ? (error.cause ?? error) : error;
  const code: unknown = cause instanceof Error && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? code : messageOf(cause);
}
