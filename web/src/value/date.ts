// Dates, times and durations as text.

import type { DateRange, Grain, Value } from "../api/schema.gen";
import { fill, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";

// Dates have no time zone. This module holds them as the milliseconds of that day in UTC and formats them in
// UTC, so that no zone can shift them.

export const DAY_MS = 86_400_000;

/** `Intl` objects are expensive to construct, so each is built once per locale and set of options. */
const formats = new Map<string, Intl.DateTimeFormat>();

function intl(tag: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = tag + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.DateTimeFormat(tag, options)));
  return format;
}

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const TIMESTAMP = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?$/;

/**
 * The milliseconds of a date or timestamp in UTC. Returns `null` for any other value. Years of more than four
 * digits are not parsed; callers show them as the text that the server sent.
 */
export function parseDate(value: Value | undefined): number | null {
  if (typeof value !== "string") return null;
  if (DATE.test(value)) return finite(Date.parse(`${value}T00:00:00Z`));
  if (TIMESTAMP.test(value)) return finite(Date.parse(value.endsWith("Z") ? value : `${value}Z`));
  return null;
}

function finite(ms: number): number | null {
  return Number.isNaN(ms) ? null : ms;
}

/** The UTC day of a moment as `YYYY-MM-DD`. */
export function isoDay(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

const UTC = { timeZone: "UTC" } as const;
const DAY = { day: "numeric", month: "short", year: "numeric", ...UTC } as const;

export function formatDay(value: string, reader: Reader): string {
  const ms = parseDate(value);
  return ms === null ? value : intl(reader.tag, DAY).format(ms);
}

/**
 * The label of a time step, named by its grain: "Mon, 5 Oct 2026", "Week of 5 Oct 2026", "October 2026", "Q4
 * 2026", "2026".
 */
export function formatStep(ms: number, grain: Grain | null, reader: Reader): string {
  const { tag, language } = reader;
  switch (grain) {
    case "week":
      return translate(language, "date.week", { date: intl(tag, DAY).format(ms) });
    case "month":
      return intl(tag, { month: "long", year: "numeric", ...UTC }).format(ms);
    case "quarter": {
      const quarter = Math.floor(new Date(ms).getUTCMonth() / 3) + 1;
      return translate(language, "date.quarter", { quarter, year: new Date(ms).getUTCFullYear() });
    }
    case "year":
      return intl(tag, { year: "numeric", ...UTC }).format(ms);
    default:
      return intl(tag, { weekday: "short", ...DAY }).format(ms);
  }
}

/**
 * A timestamp from the data, in UTC. If it ends with `Z`, the label names the zone, because that is not the
 * reader's zone.
 */
export function formatTimestamp(value: string, reader: Reader): string {
  const ms = parseDate(value);
  if (ms === null) return value;
  const zone = value.endsWith("Z") ? { timeZoneName: "short" as const } : {};
  const seconds = ms % 60_000 === 0 ? {} : { second: "2-digit" as const };
  return intl(reader.tag, { ...DAY, hour: "2-digit", minute: "2-digit", ...seconds, ...zone }).format(ms);
}

/** A moment at which Millrace did something, such as the start of a run, in the reader's own time zone. */
export function formatMoment(iso: string, reader: Reader): string {
  const ms = Date.parse(iso);
  return Number.isNaN(ms) ? iso : intl(reader.tag, { dateStyle: "long", timeStyle: "medium" }).format(ms);
}

/** A range of days. `Intl` shortens it if both ends share a month or a year. */
export function formatRange(range: DateRange, reader: Reader): string {
  const from = parseDate(range.from);
  const to = parseDate(range.to);
  if (from === null || to === null) return fill("{from} – {to}", { ...range });
  return intl(reader.tag, DAY).formatRange(from, to);
}

/** Units of ages with their length in seconds, longest first. */
const UNITS: [Intl.RelativeTimeFormatUnit, number][] = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/**
 * An age such as "5 minutes ago". Under a minute it is "just now", also for a moment in the future, because
 * the clocks of server and browser may disagree.
 */
export function formatAge(iso: string, nowMs: number, reader: Reader): string {
  const seconds = Math.floor((nowMs - Date.parse(iso)) / 1000);
  const unit = UNITS.find(([, length]) => seconds >= length);
  if (!unit) return translate(reader.language, "age.now");
  return new Intl.RelativeTimeFormat(reader.tag).format(-Math.floor(seconds / unit[1]), unit[0]);
}

/**
 * A moment near now, in the reader's own zone: only the time if it is today, else with the day, and also with
 * the year if that is not the current one.
 */
export function formatClock(iso: string, nowMs: number, reader: Reader): string {
  const ms = Date.parse(iso);
  if (Number.isNaN(ms)) return iso;
  const [then, now] = [new Date(ms), new Date(nowMs)];
  const time = { hour: "2-digit", minute: "2-digit" } as const;
  if (then.toDateString() === now.toDateString()) return intl(reader.tag, time).format(ms);
  const year = then.getFullYear() === now.getFullYear() ? {} : { year: "numeric" as const };
  return intl(reader.tag, { day: "numeric", month: "short", ...year, ...time }).format(ms);
}

/**
 * The time until a moment: "in 6 min", "in 3 hr" from two hours on, and days from two days on. Minutes are
 * rounded up, so that the wait never shows as over before it is; hours and days are rounded to the nearest. A
 * moment that has passed is "due now".
 */
export function formatUntil(iso: string, nowMs: number, reader: Reader): string {
  const minutes = Math.ceil((Date.parse(iso) - nowMs) / 60_000);
  if (minutes <= 0) return translate(reader.language, "age.due");
  const format = new Intl.RelativeTimeFormat(reader.tag, { style: "short" });
  if (minutes < 120) return format.format(minutes, "minute");
  return minutes < 2 * 1440 ? format.format(Math.round(minutes / 60), "hour") : format.format(Math.round(minutes / 1440), "day");
}

/**
 * A duration: "41ms", "1.8s", "12s", "3m 5s", "1h 2m". Negative durations (clocks that disagree) count as
 * zero.
 */
export function formatDuration(ms: number, reader: Reader): string {
  const unit = (value: number, of: string, digits = 0) =>
    new Intl.NumberFormat(reader.tag, { style: "unit", unit: of, unitDisplay: "narrow", maximumFractionDigits: digits }).format(value);
  if (ms < 1_000) return unit(Math.max(ms, 0), "millisecond");
  const seconds = Math.round(ms / 1000);
  if (seconds < 10) return unit(ms / 1000, "second", 1);
  if (seconds < 60) return unit(seconds, "second");
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${unit(minutes, "minute")} ${unit(seconds % 60, "second")}`;
  return `${unit(Math.floor(minutes / 60), "hour")} ${unit(minutes % 60, "minute")}`;
}
