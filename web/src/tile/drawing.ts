import type { Tile, TileResult } from "../api/schema";
import { position } from "../value/number";
import { columnIndex, columnValues, isTime } from "./column";

export type Drawing = "kpi" | "series" | "bars" | "donut" | "table";

/** A ring is a whole and its parts: nothing is less than no part of it. */
export function hasNegative(result: TileResult): boolean {
  return columnValues(result, columnIndex(result, "metric")).some((value) => (position(value) ?? 0) < 0);
}

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
      return hasNegative(result) ? "bars" : "donut";
    default:
      return byTime ? "series" : "bars";
  }
}
