// Chooses the component that draws a tile. Pure.

import type { Tile, TileResult } from "../api/schema.gen";
import { position } from "../value/number";
import { columnIndex, columnValues, isTime } from "./column";

export type Drawing = "kpi" | "series" | "bars" | "donut" | "table";

/**
 * Whether a metric value is negative. A ring shows the parts of a whole, and no part can be less than
 * nothing.
 */
export function hasNegative(result: TileResult): boolean {
  return columnValues(result, columnIndex(result, "metric")).some((value) => (position(value) ?? 0) < 0);
}

/**
 * Returns the drawing of a tile. The kind of the tile decides, except in two cases:
 *
 * - A chart over time always has a continuous time axis from left to right, bars included. A chart over names
 *   always has bars, because a line between names would suggest an order that does not exist.
 * - A pie with negative values becomes bars.
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
