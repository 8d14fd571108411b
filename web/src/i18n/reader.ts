import type { Language } from "./catalogue";

/**
 * The language and locale of the person who reads a text. Pure functions take it as an argument; components
 * pass the `locale` of the page.
 */
export interface Reader {
  readonly language: Language;
  /** The locale for `Intl`, such as `en-GB`. */
  readonly tag: string;
}
