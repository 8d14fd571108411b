import { describe, expect, it } from "vitest";
import type { Grain } from "../api/schema.gen";
import type { Reader } from "../i18n/reader";
import { formatAge, formatClock, formatDay, formatDuration, formatRange, formatStep, formatTimestamp, formatUntil, parseDate } from "./date";

const en: Reader = { language: "en", tag: "en-GB" };
const fr: Reader = { language: "fr", tag: "fr-FR" };
const plain = (text: string) => text.replace(/[\u00a0\u202f\u2009]/g, " ");

it("runs in a zone where a shifted date would show", () => {
  expect(new Date(0).getTimezoneOffset()).toBeGreaterThan(0);
});

describe("formatStep", () => {
  it.each<[string, Grain | null, string, string]>([
    ["2026-10-31", "day", "Sat, 31 Oct 2026", "sam. 31 oct. 2026"],
    ["2026-10-26", "week", "Week of 26 Oct 2026", "Semaine du 26 oct. 2026"],
    ["2026-10-01", "month", "October 2026", "octobre 2026"],
    ["2026-10-01", "quarter", "Q4 2026", "T4 2026"],
    ["2026-01-01", "year", "2026", "2026"],
  ])("%s by %s", (day, grain, english, french) => {
    const ms = parseDate(day) ?? NaN;
    expect(formatStep(ms, grain, en)).toBe(english);
    expect(formatStep(ms, grain, fr)).toBe(french);
  });
});

it("shifts no date and no timestamp", () => {
  expect(formatDay("2026-01-01", en)).toBe("1 Jan 2026");
  expect(plain(formatTimestamp("2026-10-31T00:15:00", en))).toBe("31 Oct 2026, 00:15");
  expect(plain(formatTimestamp("2026-10-31T23:59:07Z", fr))).toMatch(/^31 oct. 2026.* 23:59:07 UTC$/);
});

it("leaves what is no date as it is", () => {
  expect(parseDate("2026-13-01")).toBeNull();
  expect(parseDate("20261031")).toBeNull();
  expect(parseDate(20261031)).toBeNull();
  expect(formatDay("+12026-01-01", en)).toBe("+12026-01-01");
});

it("writes a range once for what both ends share", () => {
  expect(plain(formatRange({ from: "2026-10-02", to: "2026-10-31" }, en))).toMatch(/^2 ?– ?31 Oct 2026$/);
  expect(plain(formatRange({ from: "2025-12-31", to: "2026-01-01" }, fr))).toContain("31 déc. 2025");
});

describe("formatAge", () => {
  const now = Date.parse("2026-11-23T14:00:00Z");
  it.each([
    ["2026-11-23T13:59:30Z", "just now", "à l'instant"],
    ["2026-11-23T14:00:20Z", "just now", "à l'instant"],
    ["2026-11-23T13:55:00Z", "5 minutes ago", "il y a 5 minutes"],
    ["2026-11-23T11:30:00Z", "2 hours ago", "il y a 2 heures"],
    ["2026-11-20T14:00:00Z", "3 days ago", "il y a 3 jours"],
  ])("of %s", (iso, english, french) => {
    expect(plain(formatAge(iso, now, en))).toBe(english);
    expect(plain(formatAge(iso, now, fr))).toBe(french);
  });
});

describe("formatUntil", () => {
  const now = Date.parse("2026-11-23T14:00:00Z");
  it.each([
    ["2026-11-23T13:59:59Z", "due now", "imminente"],
    ["2026-11-23T14:00:20Z", "in 1 min", "dans 1 min"],
    ["2026-11-23T14:05:01Z", "in 6 min", "dans 6 min"],
    ["2026-11-23T15:30:00Z", "in 90 min", "dans 90 min"],
    ["2026-11-23T17:00:00Z", "in 3 hr", "dans 3 h"],
    ["2026-11-26T14:00:00Z", "in 3 days", "dans 3 j"],
  ])("%s", (iso, english, french) => {
    expect(plain(formatUntil(iso, now, en)).replace("hrs", "hr").replace(".", "")).toBe(english);
    expect(plain(formatUntil(iso, now, fr))).toBe(french);
  });
});

it("names the day of a moment only where it is not today, and the year only where it is another", () => {
  const now = Date.parse("2026-11-23T20:00:00Z");
  expect(formatClock("2026-11-23T14:15:00Z", now, en)).toBe("06:15");
  expect(formatClock("2026-11-23T06:15:00Z", now, en)).toBe("22 Nov, 22:15");
  expect(formatClock("2025-11-23T14:15:00Z", now, en)).toBe("23 Nov 2025, 06:15");
  expect(formatClock("nonsense", now, en)).toBe("nonsense");
});

it.each([
  [0, "0ms", "0ms"],
  [812, "812ms", "812ms"],
  [1_840, "1.8s", "1,8s"],
  [12_400, "12s", "12s"],
  [59_600, "1m 0s", "1min 0s"],
  [184_000, "3m 4s", "3min 4s"],
  [3_720_000, "1h 2m", "1h 2min"],
])("a duration of %d ms", (ms, english, french) => {
  expect(formatDuration(ms, en)).toBe(english);
  expect(plain(formatDuration(ms, fr))).toBe(french);
});
