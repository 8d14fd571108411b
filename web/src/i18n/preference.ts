// Chooses the language of the page and the locale for numbers and dates. Pure: the browser's languages are
// arguments.

import { catalogues, type Language } from "./catalogue";

/** The language of a BCP 47 tag, or `null` if there is no catalogue for it. */
function languageOf(tag: string): Language | null {
  const base = tag.toLowerCase().split("-")[0] ?? "";
  return base in catalogues ? (base as Language) : null;
}

/**
 * The language that the reader chose earlier; else the first of the browser's languages that has a catalogue;
 * else English.
 */
export function preferredLanguage(remembered: string | null, browser: readonly string[]): Language {
  const chosen = remembered === null ? null : languageOf(remembered);
  return chosen ?? browser.map(languageOf).find((language) => language !== null) ?? "en";
}

/**
 * The locale for `Intl`. It has the reader's region (`en-GB`) if the browser lists one for the language of
 * the page.
 */
export function formattingLocale(language: Language, browser: readonly string[]): string {
  return browser.find((tag) => languageOf(tag) === language) ?? language;
}
