import { expect, it } from "vitest";
import type { Grain } from "../api/schema";
import { coveredDays, partOfStep } from "./step";

const at = (day: string) => Date.parse(`${day}T00:00:00Z`);
const covered = coveredDays({ from: "2026-09-15", to: "2026-12-31" }, { from: "2024-01-01", to: "2026-10-28" });

it.each<[string, Grain, { days: number; of: number } | null]>([
  ["2026-10-26", "week", { days: 3, of: 7 }],
  ["2026-10-19", "week", null],
  ["2026-09-14", "week", { days: 6, of: 7 }],
  ["2026-11-02", "week", null],
  ["2026-10-01", "month", { days: 28, of: 31 }],
  ["2026-09-01", "month", { days: 16, of: 30 }],
  ["2026-07-01", "quarter", { days: 16, of: 92 }],
  ["2026-01-01", "year", { days: 44, of: 365 }],
  ["2026-10-28", "day", null],
])("%s, %s", (day, grain, part) => {
  expect(partOfStep(at(day), grain, covered)).toEqual(part);
});

it("knows nothing where the range is not known", () => {
  expect(partOfStep(at("2026-10-26"), "week", coveredDays(null, null))).toBeNull();
  expect(coveredDays({ from: "2026-10-01", to: "2026-10-02" }, undefined)).toEqual({ from: at("2026-10-01"), to: at("2026-10-02") });
});
