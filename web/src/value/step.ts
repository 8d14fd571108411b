import type { DateRange, Grain } from "../api/schema";
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

/** The days that an answer is about. */
export interface CoveredDays {
  /** The first and the last day of the range. */
  from: number;
  to: number;
  /** The first and the last day that have rows; `null` where that is not known. */
  first: number | null;
  last: number | null;
}

/** `null` where the range is not known. */
export function coveredDays(range: DateRange | null, extent: DateRange | null): CoveredDays | null {
  const [from, to] = [parseDate(range?.from), parseDate(range?.to)];
  if (from === null || to === null) return null;
  return { from, to, first: parseDate(extent?.from), last: parseDate(extent?.to) };
}

/** What a step lacks, or may lack. Whether a day without rows is one on which nothing happened, or one that is not loaded yet, nobody knows here. */
export interface PartOfStep {
  /** Where the range leaves out some of its days: how many are left; else `null`. */
  days: number | null;
  of: number;
  /** The first day that has rows, where it comes after the step has begun. */
  rowsFrom: number | null;
  /** The last day that has rows, where it comes before the step ends. */
  rowsTo: number | null;
}

/** `null` for a step that is whole, or of which nothing is in the answer. */
export function partOfStep(at: number, grain: Grain | null, covered: CoveredDays | null): PartOfStep | null {
  if (grain === null || grain === "day" || covered === null) return null;
  const end = nextStep(at, grain) - DAY_MS;
  const [from, to] = [Math.max(at, covered.from), Math.min(end, covered.to)];
  const { first, last } = covered;
  if (from > to || (first !== null && first > to) || (last !== null && last < from)) return null;
  // A range that reaches as far as the rows leaves out nothing by itself.
  const rowsFrom = first !== null && first > at && first >= from ? first : null;
  const rowsTo = last !== null && last < end && last <= to ? last : null;
  const isCut = (from > at && rowsFrom === null) || (to < end && rowsTo === null);
  if (!isCut && rowsFrom === null && rowsTo === null) return null;
  const count = (begin: number, until: number) => Math.round((until - begin) / DAY_MS) + 1;
  return { days: isCut ? count(from, to) : null, of: count(at, end), rowsFrom, rowsTo };
}

/** The same in words. */
export function partText({ days, of, rowsFrom, rowsTo }: PartOfStep, reader: Reader): string {
  const { language } = reader;
  const words = [
    days === null ? null : translate(language, "tile.partialDays", { days, of }),
    rowsFrom === null ? null : translate(language, "tile.rowsFrom", { day: formatStep(rowsFrom, "day", reader) }),
    rowsTo === null ? null : translate(language, "tile.rowsTo", { day: formatStep(rowsTo, "day", reader) }),
  ];
  return words.filter((part) => part !== null).join(", ");
}
