import type { ApiError } from "../api/schema";
import type { LocalCode } from "../api/failure";
import { translate, type MessageKey } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";

type Local = LocalCode | "missing-tile";

const messages: Record<Local, MessageKey> = {
  "network-error": "error.network",
  "broken-answer": "error.broken",
  "incomplete-answer": "error.incomplete",
  "missing-tile": "error.missingTile",
};

/** The server words its own errors; what the page finds by itself is worded in the reader's language. */
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

/** Words in backticks stand for something to type; odd pieces of the result are such words. */
export function splitCode(text: string): string[] {
  return text.split("`");
}
