import { expect, it } from "vitest";
import type { Grain } from "../api/schema.gen";
import type { Reader } from "../i18n/reader";
import { coveredDays, partOfStep, partText } from "./step";

const en: Reader = { language: "en", tag: "en-GB" };
const fr: Reader = { language: "fr", tag: "fr-FR" };
const at = (day: string) => Date.parse(`${day}T00:00:00Z`);
/** The text about a step, given a range and the days that have rows; `null` for a complete step. */
const said = (step: string, grain: Grain, range: [string, string], rows: [string, string], reader = en) => {
  const [from, to, first, last] = [...range, ...rows] as const;
  const part = partOfStep(at(step), grain, coveredDays({ from, to }, { from: first, to: last }));
  return part && partText(part, reader).replace(/[\u00a0\u202f]/g, " ");
};

it.each<[string, Grain, string | null]>([
  ["2026-10-26", "week", "rows up to Wed, 28 Oct 2026"],
  ["2026-10-19", "week", null],
  ["2026-09-14", "week", "6 of 7 days"],
  ["2026-11-02", "week", null],
  ["2026-10-01", "month", "rows up to Wed, 28 Oct 2026"],
  ["2026-09-01", "month", "16 of 30 days"],
  ["2026-07-01", "quarter", "16 of 92 days"],
  ["2026-01-01", "year", "108 of 365 days, rows up to Wed, 28 Oct 2026"],
  ["2026-10-28", "day", null],
])("%s, %s", (step, grain, words) => {
  expect(said(step, grain, ["2026-09-15", "2026-12-31"], ["2024-01-01", "2026-10-28"])).toBe(words);
});

it("says of a week that is over how far its rows go, and not that it is not complete", () => {
  const rows: [string, string] = ["2026-01-01", "2026-10-23"];
  for (const to of ["2026-10-23", "2026-10-25", "2026-12-31"]) {
    expect(said("2026-10-19", "week", ["2026-10-01", to], rows), to).toBe("rows up to Fri, 23 Oct 2026");
  }
  expect(said("2026-10-19", "week", ["2026-10-01", "2026-10-25"], rows, fr)).toBe("lignes jusqu'au ven. 23 oct. 2026");
});

it("says where the rows begin, and what the range leaves out", () => {
  expect(said("2026-03-01", "month", ["2026-01-01", "2026-12-31"], ["2026-03-15", "2026-10-23"])).toBe("rows from Sun, 15 Mar 2026");
  expect(said("2026-03-01", "month", ["2026-03-20", "2026-03-25"], ["2026-03-15", "2026-10-23"])).toBe("6 of 31 days");
  expect(said("2026-03-01", "month", ["2026-03-15", "2026-03-25"], ["2026-03-15", "2026-03-25"])).toBe(
    "rows from Sun, 15 Mar 2026, rows up to Wed, 25 Mar 2026",
  );
});

it("knows nothing where the range is not known", () => {
  expect(partOfStep(at("2026-10-26"), "week", coveredDays(null, null))).toBeNull();
  expect(coveredDays({ from: "2026-10-01", to: "2026-10-02" }, null)).toEqual({ from: at("2026-10-01"), to: at("2026-10-02"), first: null, last: null });
});
