import type { Dimension, FilterOptions, Value } from "../api/schema";
import { plural, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatDimension } from "../value/cell";

/** What can be chosen: what the server lists, and what is chosen although it is not in the list (any more). */
export function choices(options: readonly Value[], chosen: readonly Value[]): Value[] {
  return [...options, ...chosen.filter((value) => !options.includes(value))];
}

/** What a search has found, and what was searched for. */
export interface Found {
  search: string;
  answer: FilterOptions;
}

/** The answer to a search over the data version that the page shows, or over a newer one; `null` while there is none. */
export function answerTo(search: string, version: number | null, found: Found | null): FilterOptions | null {
  if (found === null || found.search !== search) return null;
  return version === null || found.answer.data_version >= version ? found.answer : null;
}

export function toggle(chosen: readonly Value[], value: Value): Value[] {
  return chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
}

const fold = (text: string) =>
  text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();

/** `etats` finds "États-Unis". */
export function matches(label: string, search: string): boolean {
  return fold(label).includes(fold(search.trim()));
}

export function choiceLabel(value: Value, dimension: Dimension, reader: Reader): string {
  return formatDimension(value, dimension.type, null, reader);
}

const NAMED = 2;

export function choiceSummary(chosen: readonly Value[], dimension: Dimension, reader: Reader): string {
  if (chosen.length === 0) return translate(reader.language, "filter.all");
  if (chosen.length <= NAMED) return chosen.map((value) => choiceLabel(value, dimension, reader)).join(", ");
  return plural(reader.language, "filter.count", chosen.length, { count: chosen.length });
}
