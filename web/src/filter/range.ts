// Time ranges in words, and the check of a range that the reader types. Pure.

import type { DateRange } from "../api/schema.gen";
import { plural, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatRange } from "../value/date";

/** The ranges that every dashboard offers, in the words of the API. */
const PRESETS = ["last 7 days", "last 30 days", "last 90 days", "last 12 months", "all"];

/**
 * The presets of a dashboard. Its own range is always among them; it comes first if it is not one of the
 * common ones.
 */
export function presetsWith(standard: string): string[] {
  return PRESETS.includes(standard) ? PRESETS : [standard, ...PRESETS];
}

/** A range in the reader's language. A text that is no known range is returned as it is. */
export function rangeLabel(range: DateRange | string, reader: Reader): string {
  if (typeof range !== "string") return formatRange(range, reader);
  if (range === "all") return translate(reader.language, "range.all");
  const [, count, unit] = /^last (\d+) (day|week|month|year)s?$/.exec(range) ?? [];
  if (count === undefined || unit === undefined) return range;
  return plural(reader.language, `range.last.${unit as "day" | "week" | "month" | "year"}`, Number(count), { count });
}

/** The range of the form, or the reason why it cannot be applied. */
export function customRange(from: string, to: string): DateRange | "incomplete" | "backwards" {
  if (from === "" || to === "") return "incomplete";
  return from <= to ? { from, to } : "backwards";
}
