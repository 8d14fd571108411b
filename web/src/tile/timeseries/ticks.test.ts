import { describe, expect, it } from "vitest";
import type { Grain } from "../../api/schema.gen";
import { en, fr } from "../tiles.fixture";
import { tickLabel, timeTicks } from "./ticks";

const ms = (day: string) => Date.parse(`${day}T00:00:00Z`);
const labels = (from: string, to: string, most: number, grain: Grain | null = "day", reader = en) => {
  const ticks = timeTicks(ms(from), ms(to), most, grain);
  return ticks.at.map((at) => tickLabel(at, ticks, grain, reader));
};

describe("ticks stand where a calendar has its borders", () => {
  it("days", () => {
    expect(labels("2026-10-02", "2026-10-06", 8)).toEqual(["2 Oct", "3 Oct", "4 Oct", "5 Oct", "6 Oct"]);
  });

  it("Mondays", () => {
    expect(labels("2026-10-02", "2026-10-31", 10)).toEqual(["5 Oct", "12 Oct", "19 Oct", "26 Oct"]);
    expect(labels("2026-10-02", "2026-10-31", 10, "day", fr)).toEqual(["5 oct.", "12 oct.", "19 oct.", "26 oct."]);
  });

  it("months, with the year where it is new", () => {
    expect(labels("2025-11-10", "2026-03-20", 6)).toEqual(["Dec 2025", "Jan 2026", "Feb", "Mar"]);
  });

  it("quarters and years of a long history", () => {
    expect(labels("2024-11-01", "2026-10-31", 10)).toEqual([
      "Jan 2025", "Apr", "Jul", "Oct", "Jan 2026", "Apr", "Jul", "Oct",
    ]);
    expect(labels("1998-05-01", "2026-10-31", 7)).toEqual(["2000", "2005", "2010", "2015", "2020", "2025"]);
    expect(labels("2025-01-01", "2026-10-01", 8, "quarter", fr)).toContain("T4 2025");
  });

  it("never finer than the data, nor more than there is room for", () => {
    expect(labels("2026-09-01", "2026-10-01", 40, "month")).toEqual(["Sept 2026", "Oct"]);
    for (const span of [1, 5, 30, 90, 365, 730, 4000, 20000]) {
      const ticks = timeTicks(ms("2000-03-07"), ms("2000-03-07") + span * 86_400_000, 6, "day");
      expect(ticks.at.length).toBeLessThanOrEqual(6);
    }
  });
});
