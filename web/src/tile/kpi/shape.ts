// The data of a figure tile: value, comparison and spark line, from the server's answer. Pure.

import type { Format, Tile, TileResult, Value } from "../../api/schema.gen";
import { position } from "../../value/number";
import type { CoveredDays } from "../../value/step";
import { formatOf } from "../column";
import { shapeSeries, type Series } from "../timeseries/shape";

export type Direction = "up" | "down" | "same";

export interface Kpi {
  value: Value;
  /** The value of the previous period. */
  previous: Value;
  /** (value − previous) / |previous|, as the server delivered it. */
  change: Value;
  /** `null` if there is nothing to compare with. */
  direction: Direction | null;
  format: Format | null;
  /** `null` if the tile has no spark line. */
  spark: Series | null;
}

function directionOf(change: Value): Direction | null {
  const ratio = position(change);
  if (ratio === null) return null;
  return ratio > 0 ? "up" : ratio < 0 ? "down" : "same";
}

export function shapeKpi(tile: Tile, result: TileResult, days: CoveredDays | null = null): Kpi {
  const name = tile.metric?.name ?? "";
  const change = result.change?.[name] ?? null;
  return {
    value: result.total?.[name] ?? null,
    previous: result.previous?.[name] ?? null,
    change,
    direction: directionOf(change),
    format: formatOf(tile, name),
    // A single step makes no line.
    spark: result.columns.length > 0 && result.rows > 1 ? shapeSeries(tile, result, days) : null,
  };
}
