import type { LocalizedText } from "../api/schema";
import { en } from "./en";
import { fr } from "./fr";

export type MessageKey = keyof typeof en;
export type Catalogue = Record<MessageKey, string>;
export type Language = "en" | "fr";

export const catalogues: Record<Language, Catalogue> = { en, fr };
export const languages: { code: Language; name: string }[] = [
  { code: "en", name: "English" },
  { code: "fr", name: "Français" },
];

type Placeholder<S extends string> = S extends `${string}{${infer P}}${infer Rest}` ? P | Placeholder<Rest> : never;
type Placeholders<K extends MessageKey> = Placeholder<(typeof en)[K]>;
/** A message with placeholders takes exactly their values; one without takes none. */
export type Arguments<K extends MessageKey> = [Placeholders<K>] extends [never]
  ? []
  : [values: Record<Placeholders<K>, string | number>];

/** The stem of keys that come in plural forms: `rows` for `rows.one` and `rows.other`. */
export type PluralStem = MessageKey extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

export function fill(text: string, values: Record<string, string | number> = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

export function translate<K extends MessageKey>(language: Language, key: K, ...values: Arguments<K>): string {
  return fill(catalogues[language][key], values[0]);
}

/** `count` picks the form by the language's own rule (0 is singular in French); `shown` is how it is written. */
export function plural(language: Language, stem: PluralStem, count: number, values: Record<string, string | number>): string {
  const form = new Intl.PluralRules(language).select(count) === "one" ? "one" : "other";
  return fill(catalogues[language][`${stem}.${form}` as MessageKey], values);
}

/** The text for a language; else English; else whatever the project has. */
export function localized(text: LocalizedText | null | undefined, language: Language): string {
  if (!text) return "";
  return text[language] ?? text["en"] ?? Object.values(text)[0] ?? "";
}
