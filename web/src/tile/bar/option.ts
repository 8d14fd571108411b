// The ECharts option of horizontal bars: one bar per category, in the order of the server. Pure.

import type { Tile } from "../../api/schema.gen";
import { FONT, type Option } from "../../chart/option";
import type { Scene } from "../../chart/scene";
import { tipHtml, tipIndex, tooltipFrame } from "../../chart/tooltip";
import type { Reader } from "../../i18n/reader";
import { seriesColour } from "../../theme/palette";
import { formatMetric, NO_VALUE } from "../../value/cell";
import { formatCompactEven, isNumeric } from "../../value/number";
import { partName, type Parts } from "../parts";

/** The height of one bar with its gap. */
const ROW_PX = 34;
/** From this absolute value on, the labels at the ends of the bars are shortened. */
const SHORTENED_FROM = 10_000;

/** The height of the chart in CSS pixels. Never less than that of two rows. */
export function barHeight(rows: number): number {
  return Math.max(rows, 2) * ROW_PX + 8;
}

/**
 * The labels at the ends of the bars. They are in full while all values are short. If one is not, all are
 * shortened, so that they can be compared.
 */
export function endLabels(shaped: Parts, reader: Reader): string[] {
  const long = shaped.parts.some((part) => Math.abs(part.size ?? 0) >= SHORTENED_FROM);
  return shaped.parts.map(({ value }) => {
    if (!isNumeric(value)) return NO_VALUE;
    return long ? formatCompactEven(value, shaped.format, reader.tag) : formatMetric(value, shaped.format, reader);
  });
}

export function barOption(shaped: Parts, tile: Tile, title: string, scene: Scene): Option {
  const { parts } = shaped;
  const { palette, reader } = scene;
  const colour = seriesColour(palette, 0);
  const names = parts.map((part) => partName(shaped, part, tile, reader));
  const ends = endLabels(shaped, reader);
  const signed = parts.some((part) => (part.size ?? 0) < 0);
  // Space for the labels, which stand outside of the longest bar: about seven pixels per character.
  const room = (of: (size: number) => boolean) =>
    Math.max(0, ...ends.filter((_, at) => of(parts[at]?.size ?? 0)).map((end) => end.length)) * 7.2;

  return {
    animation: scene.animate,
    animationDuration: 350,
    animationDurationUpdate: 250,
    grid: {
      left: 4 + room((size) => size < 0),
      right: 12 + room((size) => size >= 0),
      top: 4,
      bottom: 4,
      outerBoundsMode: "same",
      outerBoundsContain: "axisLabel",
    },
    tooltip: {
      ...tooltipFrame(palette, scene.animate),
      trigger: "axis",
      axisPointer: { type: "shadow", shadowStyle: { color: palette.muted, opacity: 0.1 } },
      formatter: (params: unknown) => {
        const index = tipIndex(params);
        const part = parts[index];
        if (!part) return "";
        const value = formatMetric(part.value, shaped.format, reader);
        return tipHtml(names[index] ?? "", [{ label: title, value, colour }]);
      },
    },
    xAxis: { type: "value", show: false, splitLine: { show: false } },
    yAxis: [
      {
        type: "category",
        // Puts the first row on top.
        inverse: true,
        data: names,
        axisLine: { show: false, onZero: false },
        axisTick: { show: false },
        axisLabel: {
          color: palette.text,
          fontFamily: FONT,
          fontSize: 13,
          interval: 0,
          width: Math.min(160, Math.round(scene.width * 0.34)),
          overflow: "truncate",
          ellipsis: "…",
        },
      },
      {
        // A second axis only for the line at zero, which separates negative from positive values.
        type: "category",
        position: "left",
        data: names,
        axisLine: { show: signed, onZero: true, lineStyle: { color: palette.muted } },
        axisTick: { show: false },
        axisLabel: { show: false },
      },
    ],
    series: [
      {
        id: "metric",
        type: "bar",
        data: parts.map(({ size }) => ({
          value: size,
          ...((size ?? 0) < 0 && { label: { position: "left" as const } }),
        })),

        barMaxWidth: 20,
        itemStyle: { color: colour, borderRadius: 4 },
        emphasis: { disabled: true },
        label: {
          show: true,
          position: "right",
          color: palette.text,
          fontFamily: FONT,
          fontSize: 12.5,
          formatter: (params: unknown) => ends[tipIndex(params)] ?? "",
        },
      },
    ],
  };
}
