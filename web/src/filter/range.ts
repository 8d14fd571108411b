import type { DateRange } from "../api/schema";
import { plural, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatRange } from "../value/date";

const PRESETS = ["last 7 days", "last 30 days", "last 90 days", "last 12 months", "all"];

/** The range of the dashboard is always among them, and first where it is not one of the usual ones. */
export function presetsWith(standard: string): string[] {
  return PRESETS.includes(standard) ? PRESETS : [standard, ...PRESETS];
}

export function rangeLabel(range: DateRange | string, reader: Reader): string {
  if (typeof range !== "string") return formatRange(range, reader);
  if (range === "all") return translate(reader.language, "range.all");
  const [, count, unit] = /^last (\d+) (day|week|month|year)s?$/.exec(range) ?? [];
  if (count === undefined || unit === undefined) return range;
  return plural(reader.language, `range.last.${unit as "day" | "week" | "month" | "year"}`, Number(count), { count });
}

/** A range that can be asked for, or the reason why it can't. */
export function customRange(from: string, to: string): DateRange | "incomplete" | "backwards" {
  if (from === "" || to === "") return "incomplete";
  return from <= to ? { from, to } : "backwards";
}
