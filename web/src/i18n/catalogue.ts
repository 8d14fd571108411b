// Messages of the page in every language, with compile-time checks: unknown keys, missing placeholders and
// missing translations are type errors.

import type { LocalizedText } from "../api/schema.gen";
import { en } from "./en";
import { fr } from "./fr";

/** English defines the keys; every other catalogue must have exactly these. */
export type MessageKey = keyof typeof en;
export type Catalogue = Record<MessageKey, string>;
export type Language = "en" | "fr";

export const catalogues: Record<Language, Catalogue> = { en, fr };
export const languages: { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "fr", name: "Français" },
];

/** The names in braces of a message, read from its literal type. */
type Placeholder<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? P | Placeholder<Rest> : never;
type Placeholders<K extends MessageKey> = Placeholder<(typeof en)[K]>;
/** The arguments of a message: the values of its placeholders if it has any, else none. */
export type Arguments<K extends MessageKey> = [Placeholders<K>] extends [never]
  ? []
  : [values: Record<Placeholders<K>, string | number>];

/** The stem of keys that have plural forms: `rows` for `rows.one` and `rows.other`. */
export type PluralStem = MessageKey extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

/** Replaces `{name}` by its value. A placeholder without a value stays as it is. */
export function fill(text: string, values: Record<string, string | number> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export function translate<K extends MessageKey>(language: Language, key: K, ...values: Arguments<K>): string {
  return fill(catalogues[language][key], values[0]);
}

/**
 * Picks the plural form of `count` by the rule of the language (0 is singular in French). `values` fills the
 * message; it usually contains the count in its formatted form.
 */
export function plural(language: Language, stem: PluralStem, count: number, values: Record<string, string | number>): string {
  const form = new Intl.PluralRules(language).select(count) === "one" ? "one" : "other";
  return fill(catalogues[language][`${stem}.${form}` as MessageKey], values);
}

/**
 * A text of the project in a language: if that is missing, in English; else in whatever language the project
 * has.
 */
export function localized(text: LocalizedText | null | undefined, language: Language): string {
  if (!text) return "";
  return text[language] ?? text["en"] ?? Object.values(text)[0] ?? "";
}
