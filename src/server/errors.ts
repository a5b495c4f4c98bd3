/** Errors as OpenAI's clients read them: `{ error: { message, type, param, code } }` with a status. What is none of the caller's business is not in them. */

export type Status = 400 | 401 | 403 | 404 | 413 | 415 | 429 | 500 | 503 | 504;

export interface ErrorBody {
  readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null };
}

interface Details {
  readonly param?: string | undefined;
  readonly code?: string | undefined;
  /** Seconds after which it is worth another try. */
  readonly retryAfter?: number | undefined;
}

/** An answer that is an error. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: Status;
  readonly details: Details;
  constructor(status: Status, message: string, details: Details = {}) {
    super(message);
    this.status = status;
    this.details = details;
  }

  get body(): ErrorBody {
    const { param = null, code = null } = this.details;
    return { error: { message: this.message, type: typeOf(this.status), param, code } };
  }
}

const typeOf = (status: Status): string =>
  status === 401 ? "authentication_error" : status === 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";

/** Any error as one to answer with: those not meant for the caller say nothing. */
export const apiError = (error: unknown): ApiError =>
  error instanceof ApiError ? error : new ApiError(500, "the server failed at this request", { code: "internal_error" });
