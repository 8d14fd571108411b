import { describe, expect, it } from "vitest";
import { barHeight, barOption, endLabels } from "./bar/option";
import { partsSummary, shapeParts } from "./parts";
import { donutOption, restSize } from "./pie/option";
import { country, en, fr, money, plain, result, scene, share, tile } from "./tiles.fixture";

const bar = tile({ kind: "bar", dimension: { name: "country", label: { en: "Country" }, type: "text" } });
const pie = { ...bar, kind: "pie" as const };
const names = ["Espagne", null, "<b>France</b>"];
const values = ["616.89", "350.94", "12.00"];
const bars = shapeParts(bar, result([country, money], [names, values]));
const slices = shapeParts(pie, result([country, money, share], [names, values, ["0.6296", "0.3582", "0.0122"]]));

interface Built {
  xAxis: { type: string };
  yAxis: { type: string; inverse: boolean; data: string[] };
  series: { data: (number | { name: string; value: number })[] }[];
  tooltip: { formatter(params: unknown): string };
}

describe("bars", () => {
  const option = barOption(bars, bar, "Revenue", scene()) as unknown as Built;

  it("lie in the order of the server, first on top, NULL named", () => {
    expect((option.yAxis as unknown as object[])[0]).toMatchObject({ type: "category", inverse: true, data: ["Espagne", "(none)", "<b>France</b>"] });
    expect(option.series[0]?.data).toMatchObject([{ value: 616.89 }, { value: 350.94 }, { value: 12 }]);
  });

  it("escape what the data says", () => {
    const tip = option.tooltip.formatter([{ dataIndex: 2 }]);
    expect(tip).toContain("&lt;b&gt;France&lt;/b&gt;");
    expect(tip).not.toContain("<b>France");
  });

  it("are labelled in full while short, else all in the same short way", () => {
    expect(endLabels(bars, en)).toEqual(["€616.89", "€350.94", "€12.00"]);
    const large = shapeParts(bar, result([country, money], [["a", "b", "c"], ["13600.00", "3000.00", null]]));
    expect(endLabels(large, fr).map(plain)).toEqual(["13,6 k €", "3,00 k €", "–"]);
  });

  it("grow with their number", () => {
    expect(barHeight(20)).toBeGreaterThan(barHeight(10));
    expect(barHeight(1)).toBe(barHeight(2));
  });
});

describe("a donut", () => {
  it("has the slices of the server, and its shares in words", () => {
    const option = donutOption(slices, pie, false, scene()) as unknown as Built;
    expect(option.series[0]?.data).toMatchObject([{ value: 616.89 }, { value: 350.94, name: "(none)" }, { value: 12 }]);
    expect(option.tooltip.formatter({ dataIndex: 0 })).toContain("€616.89 · 63.0%");
  });

  it("leaves the angle of what was cut off", () => {
    const cut = shapeParts(pie, result([country, money, share], [["a", "b"], ["50.00", "25.00"], ["0.5000", "0.2500"]]));
    expect(restSize(cut)).toBeCloseTo(25);
    const option = donutOption(cut, pie, true, scene()) as unknown as Built;
    expect(option.series[0]?.data).toHaveLength(3);
    expect(restSize(bars)).toBe(0);
  });
});

describe("partsSummary", () => {
  it("names the parts with their values and shares", () => {
    expect(partsSummary(slices, pie, "Revenue by country", en)).toBe(
      "Revenue by country, 3 values: Espagne €616.89 (63.0%), (none) €350.94 (35.8%), <b>France</b> €12.00 (1.2%).",
    );
  });

  it("stops after five", () => {
    const many = shapeParts(bar, result([country, money], [[..."abcdefg"], Array(7).fill("1.00")]));
    expect(partsSummary(many, bar, "T", fr)).toMatch(/ ; et 2 autres\.$/);
  });
});
