import type { LocalizedText } from "../api/schema";
import { remember, remembered } from "../shell/memory";
import { localized, plural, translate, type Arguments, type Language, type MessageKey, type PluralStem } from "./catalogue";
import { formattingLocale, preferredLanguage } from "./preference";

const KEY = "millrace.language";

class Locale {
  language = $state<Language>(preferredLanguage(remembered(KEY), navigator.languages));
  /** For Intl. */
  readonly tag = $derived(formattingLocale(this.language, navigator.languages));

  choose(language: Language): void {
    this.language = language;
    remember(KEY, language);
  }
}

export const locale = new Locale();

export function t<K extends MessageKey>(key: K, ...values: Arguments<K>): string {
  return translate(locale.language, key, ...values);
}

/** A message with a count, which is written the way the locale writes integers. */
export function tn(stem: PluralStem, count: number): string {
  return plural(locale.language, stem, count, { count: new Intl.NumberFormat(locale.tag).format(count) });
}

export function text(value: LocalizedText | null | undefined): string {
  return localized(value, locale.language);
}
