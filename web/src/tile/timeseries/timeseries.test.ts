import { describe, expect, it } from "vitest";
import { coveredDays } from "../../value/step";
import { day, days, en, fr, money, plain, result, scene, tile } from "../tiles.fixture";
import { isIsolated, seriesOption } from "./option";
import { extremes, shapeSeries, splitPartial } from "./shape";
import { partialSteps, seriesSummary } from "./summary";

const area = tile({ kind: "area", grain: "day", fill: "zero" });
const steps = days("2026-10-02", 5);
const values = ["616.89", "0.00", "12345678901234567.89", "-3.10", "350.94"];
const series = shapeSeries(area, result([day, money], [steps, values]));

// The type of the option is a deep union; these tests need only the one shape that the builder makes.
interface Built {
  useUTC: boolean;
  xAxis: { type: string; min: number; max: number; axisLabel: { customValues: number[]; formatter(at: number): string } };
  yAxis: { scale: boolean; minInterval?: number; axisLabel: { formatter(value: number): string } };
  series: { type: string; connectNulls?: boolean; data: { value: [number, number | null]; symbol?: string }[] }[];
  tooltip: { formatter(params: unknown): string };
}
const built = (...args: Parameters<typeof seriesOption>) => seriesOption(...args) as unknown as Built;

describe("shapeSeries", () => {
  it("keeps the text of each value beside its place", () => {
    expect(series.points.map((point) => point.value)).toEqual(values);
    expect(series.points[0]).toEqual({ at: Date.UTC(2026, 9, 2), value: "616.89", y: 616.89, part: null });
  });

  it("leaves a gap where there is no value, and drops a step without a date", () => {
    const gaps = shapeSeries(area, result([day, money], [["2026-10-02", null, "2026-10-04"], [null, "5.00", "1.00"]]));
    expect(gaps.points.map((point) => point.y)).toEqual([null, 1]);
  });

  it("finds the extremes, and none among gaps", () => {
    const found = extremes(series.points);
    expect([found?.first, found?.last, found?.max, found?.min].map((point) => point?.value)).toEqual([
      "616.89", "350.94", "12345678901234567.89", "-3.10",
    ]);
    expect(extremes([{ at: 0, value: null, y: null, part: null }])).toBeNull();
  });
});

describe("seriesOption", () => {
  it("has a continuous time axis in UTC from the first step to the last", () => {
    const option = built(series, "area", "Revenue", scene());
    expect(option.useUTC).toBe(true);
    expect(option.xAxis).toMatchObject({ type: "time", min: Date.UTC(2026, 9, 2), max: Date.UTC(2026, 9, 6) });
    expect(option.series[0]?.data.map((point) => point.value[0])).toEqual(steps.map((step) => Date.parse(step)));
  });

  it.each([30, 90, 730])("labels %i days without crowding", (count) => {
    const many = shapeSeries(area, result([day, money], [days("2024-11-01", count), Array(count).fill("1.00")]));
    for (const width of [300, 800, 1300]) {
      const option = built(many, "area", "Revenue", scene(width));
      const { customValues, formatter } = option.xAxis.axisLabel;
      expect(customValues.length).toBeGreaterThanOrEqual(2);
      expect(customValues.length).toBeLessThanOrEqual(Math.max(width / 84, 2));
      expect(new Set(customValues.map(formatter)).size).toBeGreaterThan(1);
    }
    expect(built(many, "area", "Revenue", scene()).series[0]?.data).toHaveLength(count);
  });

  it("never bridges a gap, and marks a point that stands alone", () => {
    const gaps = shapeSeries(area, result([day, money], [days("2026-10-02", 4), ["1.00", null, "2.00", null]]));
    const option = built(gaps, "line", "Revenue", scene());
    expect(option.series[0]?.connectNulls).toBe(false);
    expect(option.series[0]?.data.map((point) => point.symbol)).toEqual(["circle", undefined, "circle", undefined]);
    expect(isIsolated(series.points, 1)).toBe(false);
  });

  it("stands areas and bars on zero, and gives bars room at both ends", () => {
    expect(built(series, "area", "", scene()).yAxis.scale).toBe(false);
    expect(built(series, "line", "", scene()).yAxis.scale).toBe(true);
    const bars = built(series, "bar", "", scene());
    expect(bars.yAxis.scale).toBe(false);
    expect(bars.xAxis.min).toBeLessThan(Date.UTC(2026, 9, 2));
    expect(bars.xAxis.max).toBeGreaterThan(Date.UTC(2026, 9, 6));
  });

  it("counts in whole numbers where the metric does", () => {
    const orders = shapeSeries(area, result([day, { ...money, type: "integer" }], [steps, [1, 2, 1, 0, 1]]));
    expect(built(orders, "area", "", scene()).yAxis.minInterval).toBe(1);
    expect(built(series, "area", "", scene()).yAxis.minInterval).toBeUndefined();
  });

  it("writes the axis short and the tooltip in full", () => {
    const option = built(series, "area", "Chiffre d'affaires", scene(800, fr));
    expect(plain(option.yAxis.axisLabel.formatter(12000))).toBe("12 k €");
    const tip = plain(option.tooltip.formatter([{ dataIndex: 2 }]));
    expect(tip).toContain("12 345 678 901 234 567,89 €");
    expect(tip).toContain("dim. 4 oct. 2026");
    expect(tip).toContain("Chiffre d&#39;affaires");
  });

  it("draws one point", () => {
    const one = shapeSeries(area, result([day, money], [["2026-10-02"], ["1.00"]]));
    const { min, max } = built(one, "area", "", scene()).xAxis;
    expect(min).toBeLessThan(max);
  });
});

describe("steps that are not whole", () => {
  const weeks = ["2026-09-28", "2026-10-05", "2026-10-12", "2026-10-19"];
  const line = tile({ kind: "line", grain: "week" });
  const covered = coveredDays({ from: "2026-09-30", to: "2026-10-25" }, { from: "2026-01-01", to: "2026-10-23" });
  const parted = shapeSeries(line, result([day, money], [weeks, ["1.00", "2.00", "3.00", "4.00"]]), covered);

  it("are drawn dashed, with what leads to and from them", () => {
    expect(splitPartial(parted.points)).toEqual({ whole: [null, 2, 3, null], dashed: [1, 2, 3, 4] });
    expect(splitPartial(series.points).dashed).toEqual([null, null, null, null, null]);
    const [whole, dashed] = built(parted, "line", "Revenue", scene()).series;
    expect(whole?.data.map((point) => point.value[1])).toEqual([null, 2, 3, null]);
    expect(dashed?.data.map((point) => point.symbol)).toEqual(["emptyCircle", undefined, undefined, "emptyCircle"]);
    expect(built(series, "line", "Revenue", scene()).series).toHaveLength(1);
  });

  it("are told with what they lack, or may lack", () => {
    expect(plain(partialSteps(parted, en))).toBe(
      "Dashed: Week of 28 Sept 2026 (5 of 7 days); Week of 19 Oct 2026 (rows up to Fri, 23 Oct 2026)",
    );
    expect(partialSteps(series, en)).toBe("");
  });
});

describe("seriesSummary", () => {
  it("says where it begins, ends, and how far it goes", () => {
    expect(plain(seriesSummary(series, "Revenue", en))).toBe(
      "Revenue by day, Fri, 2 Oct 2026 to Tue, 6 Oct 2026. First €616.89, last €350.94, " +
        "highest €12,345,678,901,234,567.89 (Sun, 4 Oct 2026), lowest -€3.10 (Mon, 5 Oct 2026).",
    );
  });

  it("says that there is nothing to say", () => {
    const none = shapeSeries(area, result([day, money], [["2026-10-02"], [null]]));
    expect(seriesSummary(none, "Revenue", en)).toBe("Revenue: no value");
  });
});
