import type { ApiError } from "./schema";

/** Why a request has no answer: what the server said, or what the network did. `status` is 0 for the latter. */
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

/** The codes of failures that the page itself finds; the catalogues hold their words. */
export type LocalCode = "network-error" | "broken-answer" | "incomplete-answer";

export function localFailure(code: LocalCode, detail: string): Failure {
  return new Failure({ code, message: detail }, 0);
}

export function asFailure(error: unknown): Failure {
  if (error instanceof Failure) return error;
  // `fetch` and a stream cut off both throw TypeError; a broken line throws SyntaxError.
  const detail = error instanceof Error ? error.message : String(error);
  const code = error instanceof SyntaxError ? "broken-answer" : "network-error";
  return localFailure(code, detail);
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** What an answer with an error status says; a proxy in between may answer with something that isn't ours. */
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
