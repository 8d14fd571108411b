import { describe, expect, it } from "vitest";
import { day, days, money, result, scene, tile } from "../tiles.fixture";
import { shapeKpi } from "./shape";
import { sparkOption } from "./sparkOption";

const kpi = tile({ kind: "kpi", grain: "day" });
const totals = { total: { revenue: "1152.83" }, previous: { revenue: "980.00" }, change: { revenue: "0.1764" } };
const spark = result([day, money], [days("2026-10-01", 3), ["1.00", "2.00", "3.00"]], totals);

describe("shapeKpi", () => {
  it("takes the numbers as they are delivered", () => {
    expect(shapeKpi(kpi, spark)).toMatchObject({ value: "1152.83", previous: "980.00", change: "0.1764", direction: "up" });
  });

  it.each([
    ["-0.5000", "down"],
    ["0.0000", "same"],
    [null, null],
  ])("a change of %j goes %s", (change, direction) => {
    expect(shapeKpi(kpi, { ...spark, change: { revenue: change } }).direction).toBe(direction);
  });

  it("stands a page that compares with nothing", () => {
    const alone = result([], [], { total: { revenue: "1.00" }, previous: null, change: null });
    expect(shapeKpi(kpi, alone)).toMatchObject({ value: "1.00", previous: null, direction: null, spark: null });
  });

  it("draws no line through one step", () => {
    expect(shapeKpi(kpi, result([day, money], [["2026-10-01"], ["1.00"]], totals)).spark).toBeNull();
    expect(shapeKpi(kpi, spark).spark?.points).toHaveLength(3);
  });
});

it("runs the spark line over continuous time", () => {
  const series = shapeKpi(kpi, spark).spark;
  expect(series).not.toBeNull();
  if (series) expect(sparkOption(series, "Revenue", scene(200))).toMatchObject({ useUTC: true, xAxis: { type: "time", show: false } });
});
