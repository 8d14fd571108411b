// Errors of requests in one shape, whether the server, a proxy, the network or the page itself reports them.

import type { ApiError } from "./schema.gen";

/**
 * Why a request has no answer: an error of the server, or a failure that the page itself found.
 * `status` is the HTTP status, or 0 for a failure that the page found (`LocalCode`).
 */
export class Failure extends Error {
  readonly code: string;
  readonly hint: string | null;
  readonly status: number;

  constructor(error: ApiError, status: number) {
    super(error.message);
    this.name = "Failure";
    this.code = error.code;
    this.hint = error.hint ?? null;
    this.status = status;
  }
}

/** The codes of failures that the page itself finds. The catalogues contain their texts (see `errorText`). */
export type LocalCode = "network-error" | "broken-answer" | "incomplete-answer";

export function localFailure(code: LocalCode, detail: string): Failure {
  return new Failure({ code, message: detail, hint: null }, 0);
}

/** Turns any thrown value into a `Failure`. */
export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  // `fetch` and a broken connection throw TypeError; a line that is not JSON throws SyntaxError.
  const detail = error instanceof Error ? error.message : String(error);
  const code = error instanceof SyntaxError ? "broken-answer" : "network-error";
  return localFailure(code, detail);
}

/** Whether the page itself cancelled the request. Such an error is never shown. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/**
 * Reads the error from an answer with an error status. A proxy may answer with a body that is not the API's
 * JSON. The code is then `http-<status>`, and the message is the status text.
 */
export async function failureOf(response: Response): Promise<Failure> {
  const body: unknown = await response.json().catch(() => null);
  const error = (body as { error?: Partial<ApiError> } | null)?.error;
  return new Failure(
    {
      code: error?.code ?? `http-${response.status}`,
      message: error?.message ?? (response.statusText || `HTTP ${response.status}`),
      hint: error?.hint ?? null,
    },
    response.status,
  );
}
