// The ECharts option of a chart over time. Pure.

import type { BarSeriesOption, LineSeriesOption } from "echarts/charts";
import { FONT, type Option } from "../../chart/option";
import type { Scene } from "../../chart/scene";
import { tipHtml, tipIndex, tooltipFrame } from "../../chart/tooltip";
import { seriesColour } from "../../theme/palette";
import { formatMetric } from "../../value/cell";
import { DAY_MS, formatStep } from "../../value/date";
import { formatCompact } from "../../value/number";
import { partText } from "../../value/step";
import { type Point, type Series, splitPartial } from "./shape";
import { tickLabel, timeTicks } from "./ticks";

export type Mark = "area" | "line" | "bar";

/** The width that one label of the time axis needs, in CSS pixels. */
const TICK_PX = 84;
/**
 * Points per pixel. Above this density a thick line would smear, so the line is thin and the fill carries the
 * shape.
 */
const DENSE = 0.25;

/** Whether a point stands between two gaps. No line leads to it, so it needs a symbol to be visible. */
export function isIsolated(points: readonly Point[], index: number): boolean {
  const drawn = (at: number) => points[at] !== undefined && points[at].y !== null;
  return drawn(index) && !drawn(index - 1) && !drawn(index + 1);
}

/** The ends of the time axis in milliseconds. */
function axisRange(points: readonly Point[], mark: Mark): { min: number; max: number } {
  const from = points[0]?.at ?? 0;
  const to = points.at(-1)?.at ?? from;
  // Half a step of space on both sides, so that the outer bars are not cut off. A single point gets a day.
  const room = mark === "bar" || from === to ? (points.length > 1 ? (to - from) / (points.length - 1) / 2 : DAY_MS) : 0;
  return { min: from - room, max: to + room };
}

export function seriesOption(series: Series, mark: Mark, title: string, scene: Scene): Option {
  const { points, grain, format } = series;
  const { palette, reader } = scene;
  const colour = seriesColour(palette, 0);
  const range = axisRange(points, mark);
  const ticks = timeTicks(points[0]?.at ?? 0, points.at(-1)?.at ?? 0, Math.floor(scene.width / TICK_PX), grain);
  const data = points.map((point, index) => ({
    value: [point.at, point.y],
    ...(mark === "bar" && point.part !== null && { itemStyle: partialBar(colour) }),
    ...(mark !== "bar" && isIsolated(points, index) && { symbol: "circle", symbolSize: 6 }),
  }));
  const label = { color: palette.muted, fontFamily: FONT, fontSize: 12 };

  return {
    useUTC: true,
    animation: scene.animate,
    animationDuration: 350,
    animationDurationUpdate: 250,
    grid: { left: 4, right: 16, top: 12, bottom: 4, outerBoundsMode: "same", outerBoundsContain: "axisLabel" },
    tooltip: {
      ...tooltipFrame(palette, scene.animate),
      trigger: "axis",
      axisPointer: {
        type: mark === "bar" ? "shadow" : "line",
        lineStyle: { color: palette.muted, type: [3, 3] },
        shadowStyle: { color: palette.muted, opacity: 0.12 },
      },
      formatter: (params: unknown) => {
        const point = points[tipIndex(params)];
        if (!point) return "";
        return tipHtml(formatStep(point.at, grain, reader), [
          { label: title, value: formatMetric(point.value, format, reader), colour },
          ...(point.part ? [{ label: partText(point.part, reader), value: "" }] : []),
        ]);
      },
    },
    xAxis: {
      type: "time",
      ...range,
      axisLine: { lineStyle: { color: palette.grid } },
      axisTick: { show: true, customValues: ticks.at, lineStyle: { color: palette.grid } },
      axisLabel: {
        ...label,
        customValues: ticks.at,
        hideOverlap: true,
        // Keeps the labels away from the lowest label of the other axis.
        margin: 12,
        formatter: (at: number) => tickLabel(at, ticks, grain, reader),
      },
      splitLine: { show: false },
    },
    yAxis: {
      type: "value",
      // An area stands for an amount, so its axis starts at zero, as that of bars does. A line shows movement
      // and may leave zero out.
      scale: mark === "line",
      splitNumber: 4,
      ...(series.type === "integer" && { minInterval: 1 }),
      axisLabel: { ...label, formatter: (value: number) => formatCompact(value, format, reader.tag) },
      splitLine: { lineStyle: { color: palette.grid } },
    },
    series: mark === "bar" ? [barSeries(data, colour)] : lines(data, points, mark, colour, points.length / Math.max(scene.width, 1)),
  };
}

/** The style of a bar of an incomplete step: a dashed frame with a light fill. */
function partialBar(colour: string) {
  return { color: `${colour}33`, borderColor: colour, borderWidth: 1.25, borderType: "dashed" as const };
}

/**
 * Returns one series, or two if a step is incomplete: the complete part, and a dashed one with circles on the
 * incomplete steps.
 */
function lines(data: Data, points: readonly Point[], mark: Mark, colour: string, density: number): LineSeriesOption[] {
  const line = lineSeries(data, mark, colour, density);
  if (points.every(({ part }) => part === null)) return [line];
  const { whole, dashed } = splitPartial(points);
  const drawn = (values: (number | null)[]) => data.map((point, index) => ({ ...point, value: [point.value[0] ?? null, values[index] ?? null] }));
  const circle = data.length > 1 ? { symbol: "emptyCircle", symbolSize: 6 } : {};
  const broken = drawn(dashed).map((point, index) => (points[index]?.part ? { ...point, ...circle } : point));
  const lineStyle = { color: colour, width: 2, type: [4, 4] };
  return [{ ...line, data: drawn(whole) }, { ...lineSeries(broken, "line", colour, density), id: "partial", lineStyle }];
}

/** Points as ECharts takes them: `value` is the time in milliseconds and the y value, `null` for a gap. */
type Data = { value: (number | null)[]; symbol?: string; symbolSize?: number }[];

function barSeries(data: Data, colour: string): BarSeriesOption {
  return {
    id: "metric",
    type: "bar",
    data,
    barMaxWidth: 36,
    barCategoryGap: "25%",
    itemStyle: { color: colour, borderRadius: [3, 3, 0, 0] },
  };
}

function lineSeries(data: Data, mark: Mark, colour: string, density: number): LineSeriesOption {
  const dense = density > DENSE;
  return {
    id: "metric",
    type: "line",
    data,
    // Symbols only for points that carry one themselves (isolated or incomplete ones), for a single point,
    // and for the point under the pointer.
    symbol: data.length === 1 ? "circle" : "none",
    symbolSize: 7,
    showAllSymbol: true,
    connectNulls: false,
    lineStyle: { color: colour, width: dense ? 1 : 2.2, join: "round" },
    itemStyle: { color: colour },
    emphasis: { disabled: true },
    ...(mark === "area" && {
      areaStyle: {
        color: {
          type: "linear",
          x: 0,
          y: 0,
          x2: 0,
          y2: 1,
          colorStops: [
            { offset: 0, color: colour + (dense ? "8c" : "52") },
            { offset: 1, color: colour + (dense ? "33" : "0a") },
          ],
        },
      },
    }),
  };
}
