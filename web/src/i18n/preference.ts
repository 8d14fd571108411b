import { catalogues, type Language } from "./catalogue";

function languageOf(tag: string): Language | null {
  const base = tag.toLowerCase().split("-")[0] ?? "";
  return base in catalogues ? (base as Language) : null;
}

/** What the reader chose before; else the first of the browser's languages that has a catalogue; else English. */
export function preferredLanguage(remembered: string | null, browser: readonly string[]): Language {
  const chosen = remembered === null ? null : languageOf(remembered);
  return chosen ?? browser.map(languageOf).find((language) => language !== null) ?? "en";
}

/** Numbers and dates follow the reader's region (`en-GB`) where it belongs to the language of the page. */
export function formattingLocale(language: Language, browser: readonly string[]): string {
  return browser.find((tag) => languageOf(tag) === language) ?? language;
}
