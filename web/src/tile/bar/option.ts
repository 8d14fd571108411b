import type { Tile } from "../../api/schema";
import { FONT, type Option } from "../../chart/option";
import type { Scene } from "../../chart/scene";
import { tipHtml, tipIndex, tooltipFrame } from "../../chart/tooltip";
import type { Reader } from "../../i18n/reader";
import { seriesColour } from "../../theme/palette";
import { formatMetric, NO_VALUE } from "../../value/cell";
import { formatCompactEven, isNumeric } from "../../value/number";
import { partName, type Parts } from "../parts";

const ROW_PX = 34;
const SHORTENED_FROM = 10_000;

export function barHeight(rows: number): number {
  return Math.max(rows, 2) * ROW_PX + 8;
}

/** At the ends of the bars: in full while that is short, and all in the same way. */
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
  // About seven pixels a character: the labels stand outside of the longest bar.
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
        // The first row is on top.
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
        // The line between what is more and what is less than nothing.
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
