// Access to the columns of a tile's answer: roles, labels, formats and the text of a cell. Pure.

import type { Column, Dimension, Format, Metric, Tile, TileResult, Value } from "../api/schema.gen";
import { localized, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatDimension, formatMetric } from "../value/cell";
import { formatShare, isNumeric } from "../value/number";

/** The metrics of a tile: one on figures and charts, several on a table. */
export function metricsOf(tile: Tile): Metric[] {
  return tile.metric ? [tile.metric] : (tile.metrics ?? []);
}

/** The descriptions of a tile's metrics. Metrics without a description in the project are left out. */
export function descriptionsOf(tile: Tile, reader: Reader): { label: string; text: string }[] {
  return metricsOf(tile).flatMap(({ name, label, description }) =>
    description === null ? [] : [{ label: localized(label, reader.language) || name, text: description }],
  );
}

/** The dimensions of a tile: at most one on figures and charts, several on a table. */
export function dimensionsOf(tile: Tile): Dimension[] {
  return tile.dimension ? [tile.dimension] : (tile.dimensions ?? []);
}

/** The index of the first column with a role, or -1. */
export function columnIndex(result: TileResult, role: Column["role"]): number {
  return result.columns.findIndex((column) => column.role === role);
}

/** The values of a column. Empty if the answer has no such column. */
export function columnValues(result: TileResult, index: number): readonly Value[] {
  return result.data[index] ?? [];
}

/** The format of a metric of the tile; `null` if it has none, or if the tile has no such metric. */
export function formatOf(tile: Tile, name: string): Format | null {
  return metricsOf(tile).find((metric) => metric.name === name)?.format ?? null;
}

/** The heading of a column. Falls back to the name of the metric or dimension if it has no label. */
export function columnLabel(tile: Tile, column: Column, reader: Reader): string {
  if (column.role === "share") return translate(reader.language, "tile.share");
  const named = column.role === "metric" ? metricsOf(tile) : dimensionsOf(tile);
  const label = named.find((one) => one.name === column.name)?.label;
  return localized(label, reader.language) || column.name;
}

/** The text of a cell, by the role of its column. */
export function formatCell(tile: Tile, column: Column, value: Value | undefined, reader: Reader): string {
  if (column.role === "dimension") return formatDimension(value, column.type, tile.grain, reader);
  if (column.role === "share" && isNumeric(value ?? null)) return formatShare(value as string | number, reader.tag);
  return formatMetric(value, formatOf(tile, column.name), reader);
}

export function isTime(column: Column | undefined): boolean {
  return column?.type === "date" || column?.type === "timestamp";
}
