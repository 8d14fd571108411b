// The values of a filter: which can be chosen, how they are found and how they are labelled. Pure.

import type { Dimension, FilterOptions, Value } from "../api/schema.gen";
import { plural, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatDimension } from "../value/cell";

/**
 * The values that can be chosen: those that the server lists, and those that are chosen although the list
 * does not contain them (any more).
 */
export function choices(options: readonly Value[], chosen: readonly Value[]): Value[] {
  return [...options, ...chosen.filter((value) => !options.includes(value))];
}

/** The answer to a search, with the text that was searched for. */
export interface Found {
  search: string;
  answer: FilterOptions;
}

/**
 * Returns the answer if it belongs to this search and to the data version that the page shows, or a later
 * one. Returns `null` otherwise: the search is still under way.
 */
export function answerTo(search: string, version: number | null, found: Found | null): FilterOptions | null {
  if (found === null || found.search !== search) return null;
  return version === null || found.answer.data_version >= version ? found.answer : null;
}

/** Adds a value to the chosen ones, or removes it. */
export function toggle(chosen: readonly Value[], value: Value): Value[] {
  return chosen.includes(value) ? chosen.filter((other) => other !== value) : [...chosen, value];
}

/** Removes case and diacritics, so that a search ignores them. */
const fold = (text: string) =>
  text
    .normalize("NFD")
    .replace(/\p{Diacritic}/gu, "")
    .toLowerCase();

/** Whether a label contains the text of a search: `etats` finds "États-Unis". */
export function matches(label: string, search: string): boolean {
  return fold(label).includes(fold(search.trim()));
}

export function choiceLabel(value: Value, dimension: Dimension, reader: Reader): string {
  return formatDimension(value, dimension.type, null, reader);
}

/** Up to this many chosen values are named; for more there is only a count. */
const NAMED = 2;

/** The text of the closed filter: "All", the chosen values, or how many they are. */
export function choiceSummary(chosen: readonly Value[], dimension: Dimension, reader: Reader): string {
  if (chosen.length === 0) return translate(reader.language, "filter.all");
  if (chosen.length <= NAMED) return chosen.map((value) => choiceLabel(value, dimension, reader)).join(", ");
  return plural(reader.language, "filter.count", chosen.length, { count: chosen.length });
}
