// The language of the page as reactive state, and the functions that components translate with. Pure modules
// take a `Reader` as an argument instead.

import type { LocalizedText } from "../api/schema.gen";
import { remember, remembered } from "../shell/memory";
import { localized, plural, translate, type Arguments, type Language, type MessageKey, type PluralStem } from "./catalogue";
import { formattingLocale, preferredLanguage } from "./preference";

const KEY = "millrace.language";

/** The chosen language, remembered in the browser. */
class Locale {
  language = $state<Language>(preferredLanguage(remembered(KEY), navigator.languages));
  /** The locale for `Intl`, such as `en-GB`. */
  readonly tag = $derived(formattingLocale(this.language, navigator.languages));

  choose(language: Language): void {
    this.language = language;
    remember(KEY, language);
  }
}

export const locale = new Locale();

/** A message in the language of the page. */
export function t<K extends MessageKey>(key: K, ...values: Arguments<K>): string {
  return translate(locale.language, key, ...values);
}

/** A message with a count, which is formatted as the locale writes integers. */
export function tn(stem: PluralStem, count: number): string {
  return plural(locale.language, stem, count, { count: new Intl.NumberFormat(locale.tag).format(count) });
}

/** A text of the project in the language of the page. */
export function text(value: LocalizedText | null | undefined): string {
  return localized(value, locale.language);
}
