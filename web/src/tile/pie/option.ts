// The ECharts option of a ring: one slice per category, in the order of the legend. Pure.

import type { Tile } from "../../api/schema.gen";
import type { Option } from "../../chart/option";
import type { Scene } from "../../chart/scene";
import { tipHtml, tipIndex, tooltipFrame } from "../../chart/tooltip";
import { translate } from "../../i18n/catalogue";
import { seriesColour } from "../../theme/palette";
import { formatMetric } from "../../value/cell";
import { position } from "../../value/number";
import { partName, partShare, type Parts } from "../parts";

/**
 * The size of the parts that the server cut off (`truncated`), in the unit of the slices. Without this
 * remainder the slices would be larger than the shares in the legend say. The result is only an angle; no
 * text shows it. Returns 0 if the shares add up to 0, or to 1 or more.
 */
export function restSize(shaped: Parts): number {
  let share = 0;
  let size = 0;
  for (const part of shaped.parts) {
    share += position(part.share) ?? 0;
    size += part.size ?? 0;
  }
  return share > 0 && share < 1 ? (size / share) * (1 - share) : 0;
}

export function donutOption(shaped: Parts, tile: Tile, truncated: boolean, scene: Scene): Option {
  const { parts } = shaped;
  const { palette, reader } = scene;
  const slices = parts.map((part, index) => ({
    // A slice cannot have a negative angle; its value is in the legend.
    value: Math.max(part.size ?? 0, 0),
    name: partName(shaped, part, tile, reader),
    itemStyle: { color: seriesColour(palette, index) },
  }));
  const name = translate(reader.language, "tile.notShown");
  // If all sizes are zero, the ring is drawn empty. ECharts would draw equal parts.
  const hollow = { value: 1, name: "", itemStyle: { color: palette.rest }, emphasis: { disabled: true }, tooltip: { show: false } };
  const isHollow = !truncated && slices.every(({ value }) => value === 0);
  const rest = { value: restSize(shaped), name, itemStyle: { color: palette.rest } };

  return {
    animation: scene.animate,
    animationDuration: 350,
    animationDurationUpdate: 250,
    tooltip: {
      ...tooltipFrame(palette, scene.animate),
      trigger: "item",
      formatter: (params: unknown) => {
        const index = tipIndex(params);
        const part = parts[index];
        if (!part) return tipHtml(name, []);
        const share = partShare(part, reader);
        const value = formatMetric(part.value, shaped.format, reader);
        return tipHtml("", [
          {
            label: slices[index]?.name ?? "",
            value: share === "" ? value : `${value} · ${share}`,
            colour: seriesColour(palette, index),
          },
        ]);
      },
    },
    series: [
      {
        id: "metric",
        type: "pie",
        radius: ["66%", "94%"],
        // Clockwise from the top, in the order of the legend.
        startAngle: 90,
        data: truncated ? [...slices, rest] : isHollow ? [...slices, hollow] : slices,
        stillShowZeroSum: false,
        label: { show: false },
        labelLine: { show: false },
        // A line in the background colour separates neighbours, so that they do not depend on colour alone.
        itemStyle: { borderColor: palette.surface, borderWidth: 2 },
        emphasis: { scaleSize: 4 },
      },
    ],
  };
}
