import type { Language } from "./catalogue";

/** Whom a text is written for: pure functions take it as an argument, components pass the `locale` of the page. */
export interface Reader {
  readonly language: Language;
  /** For Intl, such as `en-GB`. */
  readonly tag: string;
}
