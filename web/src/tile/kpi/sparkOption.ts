// The ECharts option of the spark line below a figure. Pure.

import type { Option } from "../../chart/option";
import type { Scene } from "../../chart/scene";
import { tipHtml, tipIndex, tooltipFrame } from "../../chart/tooltip";
import { seriesColour } from "../../theme/palette";
import { formatMetric } from "../../value/cell";
import { formatStep } from "../../value/date";
import { partText } from "../../value/step";
import { type Series, splitPartial } from "../timeseries/shape";

/** A line without axes, on the same continuous time axis as the large charts. Incomplete steps are dashed. */
export function sparkOption(series: Series, title: string, scene: Scene): Option {
  const { points, grain, format } = series;
  const { palette, reader } = scene;
  const colour = seriesColour(palette, 0);
  const lineStyle = { color: colour, width: points.length > 60 ? 1.1 : 1.75, join: "round" as const };
  const { whole, dashed } = splitPartial(points);
  const placed = (values: (number | null)[]) => points.map(({ at }, index) => [at, values[index] ?? null]);
  return {
    useUTC: true,
    animation: scene.animate,
    animationDuration: 350,
    animationDurationUpdate: 250,
    grid: { left: 2, right: 2, top: 4, bottom: 2, outerBoundsMode: "none" },
    tooltip: {
      ...tooltipFrame(palette, scene.animate),
      confine: false,
      trigger: "axis",
      axisPointer: { type: "line", lineStyle: { color: palette.muted, type: [3, 3] } },
      // Places the tooltip below the line and within its width. Above it would cover the figure, which is
      // read together with it.
      position: (point, _params, _element, _rect, size) => {
        const [width] = size.contentSize;
        const room = Math.max(size.viewSize[0] - width, 0);
        return [Math.min(Math.max(point[0] - width / 2, 0), room), size.viewSize[1] + 6];
      },
      formatter: (params: unknown) => {
        const point = points[tipIndex(params)];
        if (!point) return "";
        const value = formatMetric(point.value, format, reader);
        const part = point.part ? [{ label: partText(point.part, reader), value: "" }] : [];
        return tipHtml(formatStep(point.at, grain, reader), [{ label: title, value, colour }, ...part]);
      },
    },
    xAxis: { type: "time", show: false, min: points[0]?.at ?? 0, max: points.at(-1)?.at ?? 0 },
    yAxis: { type: "value", show: false, scale: true },
    series: [
      {
        id: "metric",
        type: "line",
        data: placed(whole),
        symbol: "none",
        connectNulls: false,
        // Thins out the points if there are more than one per two pixels. LTTB keeps the points that shape
        // the outline; each is a point of the data and none is an average.
        sampling: points.length > scene.width / 2 ? "lttb" : "none",
        lineStyle,
        itemStyle: { color: colour },
        areaStyle: { color: colour, opacity: 0.1, origin: "start" },
        emphasis: { disabled: true },
      },
      {
        id: "partial",
        type: "line",
        data: placed(dashed),
        symbol: "none",
        connectNulls: false,
        lineStyle: { ...lineStyle, type: [3, 3] },
        itemStyle: { color: colour },
        emphasis: { disabled: true },
      },
    ],
  };
}
