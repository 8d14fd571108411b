// The ticks of a time axis, on borders of the calendar: days, Mondays, firsts of months and years. Pure.

import type { Grain } from "../../api/schema.gen";
import type { Reader } from "../../i18n/reader";
import { DAY_MS, formatStep } from "../../value/date";

/** A distance between ticks that people count in. */
type TickStep = { days: 1 | 2 | 7 | 14 } | { months: 1 | 2 | 3 | 6 | 12 | 24 | 60 | 120 };

// From fine to coarse. `finest` refers to these positions.
const STEPS: TickStep[] = [
  { days: 1 },
  { days: 2 },
  { days: 7 },
  { days: 14 },
  { months: 1 },
  { months: 2 },
  { months: 3 },
  { months: 6 },
  { months: 12 },
  { months: 24 },
  { months: 60 },
  { months: 120 },
];

/** For each grain, the index in `STEPS` of the finest tick step. Ticks are never finer than the data. */
const finest: Record<Grain, number> = { day: 0, week: 2, month: 4, quarter: 6, year: 8 };

/** 1970-01-05, a Monday: weekly ticks are counted from here. */
const MONDAY = 4 * DAY_MS;

/**
 * Ticks every `days` days within the range. From a week on they are Mondays; below, they start at the first
 * day.
 */
function dayTicks(from: number, to: number, days: number): number[] {
  const origin = days >= 7 ? MONDAY : from;
  const step = days * DAY_MS;
  const ticks: number[] = [];
  for (let at = origin + Math.ceil((from - origin) / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

/** Ticks on the first of every `months`-th month within the range. */
function monthTicks(from: number, to: number, months: number): number[] {
  const start = new Date(from);
  const year = start.getUTCFullYear();
  // Counted from January of the decade, so that multi-year steps fall on years such as 2020 and 2030.
  const origin = year - (year % 10);
  const month = (year - origin) * 12 + start.getUTCMonth();
  const ticks: number[] = [];
  for (let next = Math.floor(month / months) * months; ; next += months) {
    const at = Date.UTC(origin, next);
    if (at > to) return ticks;
    if (at >= from) ticks.push(at);
  }
}

/** The ticks in milliseconds, and the distance between them. */
export interface Ticks {
  at: number[];
  step: TickStep;
}

/**
 * Returns the finest ticks of which at most `most` (or two, if `most` is less) fall into the range. If even
 * the coarsest step has too many, only the two ends get a tick.
 */
export function timeTicks(from: number, to: number, most: number, grain: Grain | null): Ticks {
  const candidates = STEPS.slice(finest[grain ?? "day"]);
  for (const step of candidates) {
    const at = "days" in step ? dayTicks(from, to, step.days) : monthTicks(from, to, step.months);
    if (at.length <= Math.max(most, 2)) return { at, step };
  }
  return { at: [from, to], step: { months: 120 } };
}

const formats = new Map<string, Intl.DateTimeFormat>();

function short(tag: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = tag + Object.keys(options).join();
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat(tag, { ...options, timeZone: "UTC" })));
  return format;
}

/**
 * A short label. Months show the year on the first tick and in January; days never show it; quarters always
 * do.
 */
export function tickLabel(at: number, ticks: Ticks, grain: Grain | null, reader: Reader): string {
  const { step } = ticks;
  if ("months" in step && step.months >= 12) return short(reader.tag, { year: "numeric" }).format(at);
  if (grain === "quarter") return formatStep(at, grain, reader);
  const newYear = new Date(at).getUTCMonth() === 0 && new Date(at).getUTCDate() <= 7;
  const first = at === ticks.at[0];
  if ("months" in step) {
    return short(reader.tag, { month: "short", ...((first || newYear) && { year: "numeric" }) }).format(at);
  }
  return short(reader.tag, { day: "numeric", month: "short" }).format(at);
}
