// Time steps (days, weeks, months …) and whether the data covers all of their days.
// A step at the edge of the range or of the data may be incomplete. A low number there does not mean that
// something fell, so charts draw such a step dashed and say what it lacks.

import type { DateRange, Grain } from "../api/schema.gen";
import { translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { DAY_MS, formatStep, parseDate } from "./date";

/** The first millisecond of the step after the one that begins at `at`, in UTC. */
export function nextStep(at: number, grain: Grain): number {
  const day = new Date(at);
  const [year, month] = [day.getUTCFullYear(), day.getUTCMonth()];
  switch (grain) {
    case "day":
      return at + DAY_MS;
    case "week":
      return at + 7 * DAY_MS;
    case "month":
      return Date.UTC(year, month + 1);
    case "quarter":
      return Date.UTC(year, month + 3);
    case "year":
      return Date.UTC(year + 1, 0);
  }
}

/** The days that an answer covers, each as milliseconds of that day in UTC. */
export interface CoveredDays {
  /** The first and the last day of the requested range, both included. */
  from: number;
  to: number;
  /** The first and the last day that have rows in the data; `null` if that is not known. */
  first: number | null;
  last: number | null;
}

/** Returns `null` if the range is not known, for example on a dashboard without a time dimension. */
export function coveredDays(range: DateRange | null, extent: DateRange | null): CoveredDays | null {
  const [from, to] = [parseDate(range?.from), parseDate(range?.to)];
  if (from === null || to === null) return null;
  return { from, to, first: parseDate(extent?.from), last: parseDate(extent?.to) };
}

/**
 * What a step lacks, or may lack. The page cannot tell whether a day without rows is one on which nothing
 * happened, or one that has not been loaded yet.
 */
export interface PartOfStep {
  /** If the range leaves out some days of the step: the number of days that it keeps. Else `null`. */
  days: number | null;
  /** The number of days in the whole step. */
  of: number;
  /** The first day that has rows, if it comes after the start of the step. Else `null`. */
  rowsFrom: number | null;
  /** The last day that has rows, if it comes before the end of the step. Else `null`. */
  rowsTo: number | null;
}

/**
 * Returns what a step lacks. Returns `null` if the step is complete, if it is a single day, or if no day of
 * it is in the answer.
 */
export function partOfStep(at: number, grain: Grain | null, covered: CoveredDays | null): PartOfStep | null {
  if (grain === null || grain === "day" || covered === null) return null;
  const end = nextStep(at, grain) - DAY_MS;
  const [from, to] = [Math.max(at, covered.from), Math.min(end, covered.to)];
  const { first, last } = covered;
  if (from > to || (first !== null && first > to) || (last !== null && last < from)) return null;
  // If the range includes the first (or last) day with rows, the days beyond it are missing from the data,
  // and the range is not to blame for them.
  const rowsFrom = first !== null && first > at && first >= from ? first : null;
  const rowsTo = last !== null && last < end && last <= to ? last : null;
  const isCut = (from > at && rowsFrom === null) || (to < end && rowsTo === null);
  if (!isCut && rowsFrom === null && rowsTo === null) return null;
  const count = (begin: number, until: number) => Math.round((until - begin) / DAY_MS) + 1;
  return { days: isCut ? count(from, to) : null, of: count(at, end), rowsFrom, rowsTo };
}

/** The same as text, for tooltips, tables and the note below a chart. */
export function partText({ days, of, rowsFrom, rowsTo }: PartOfStep, reader: Reader): string {
  const { language } = reader;
  const words = [
    days === null ? null : translate(language, "tile.partialDays", { days, of }),
    rowsFrom === null ? null : translate(language, "tile.rowsFrom", { day: formatStep(rowsFrom, "day", reader) }),
    rowsTo === null ? null : translate(language, "tile.rowsTo", { day: formatStep(rowsTo, "day", reader) }),
  ];
  return words.filter((part) => part !== null).join(", ");
}
