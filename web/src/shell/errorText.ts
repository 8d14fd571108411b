// The texts of errors. Pure.

import type { ApiError } from "../api/schema.gen";
import type { LocalCode } from "../api/failure";
import { translate, type MessageKey } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";

/** The codes that have a text in the catalogues. */
type Local = LocalCode | "missing-tile";

const messages: Record<Local, MessageKey> = {
  "network-error": "error.network",
  "broken-answer": "error.broken",
  "incomplete-answer": "error.incomplete",
  "missing-tile": "error.missingTile",
};

/**
 * The message and hint of an error. Errors of the server keep the server's texts; failures that the page
 * itself found get a text in the reader's language. A 401 without a hint gets one about signing in.
 */
export function errorText(error: ApiError, status: number, reader: Reader): { message: string; hint: string | null } {
  const { language } = reader;
  const key = messages[error.code as Local] as MessageKey | undefined;
  if (key !== undefined) {
    const hint = error.code === "network-error" ? translate(language, "error.networkHint") : null;
    return { message: translate(language, key as "error.network"), hint };
  }
  const hint = error.hint ?? (status === 401 ? translate(language, "error.login") : null);
  return { message: error.message, hint };
}

/** Splits a text at its backticks. Pieces at odd positions were in backticks, that is, something to type. */
export function splitCode(text: string): string[] {
  return text.split("`");
}
