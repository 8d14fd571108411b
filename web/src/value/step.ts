import type { DateRange, Grain } from "../api/schema";
import { DAY_MS, parseDate } from "./date";

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

/** How much of a step is in an answer. */
export interface Covered {
  days: number;
  of: number;
}

/** The days that an answer can have anything of: those of the range, as far as there is data. `null` where that is not known. */
export function coveredDays(range: DateRange | null, extent: DateRange | null | undefined): { from: number; to: number } | null {
  const [from, to] = [parseDate(range?.from), parseDate(range?.to)];
  if (from === null || to === null) return null;
  const [first, last] = [parseDate(extent?.from), parseDate(extent?.to)];
  return { from: Math.max(from, first ?? from), to: Math.min(to, last ?? to) };
}

/** Of a step that is only partly in the answer: how many of its days are. `null` for one that is whole, or not there at all. */
export function partOfStep(at: number, grain: Grain | null, covered: { from: number; to: number } | null): Covered | null {
  if (grain === null || grain === "day" || covered === null) return null;
  const next = nextStep(at, grain);
  const of = Math.round((next - at) / DAY_MS);
  const days = Math.round((Math.min(next, covered.to + DAY_MS) - Math.max(at, covered.from)) / DAY_MS);
  return days > 0 && days < of ? { days, of } : null;
}
