import type { Tile, TileResult } from "../api/schema";
import { columnIndex, isTime } from "./column";

export type Drawing = "kpi" | "series" | "bars" | "donut" | "table";

/**
 * What draws a tile. The dimension decides where the kind leaves it open: time runs from left to right on a continuous
 * axis, also for bars; a line over names would draw a slope where there is no order, so names get bars.
 */
export function drawingOf(tile: Tile, result: TileResult): Drawing {
  const byTime = isTime(result.columns[columnIndex(result, "dimension")]);
  switch (tile.kind) {
    case "kpi":
    case "table":
      return tile.kind;
    case "pie":
      return "donut";
    default:
      return byTime ? "series" : "bars";
  }
}
