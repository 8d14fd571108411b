import type { Column, Dimension, Format, Metric, Tile, TileResult, Value } from "../api/schema";
import { localized, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatDimension, formatMetric } from "../value/cell";
import { formatShare, isNumeric } from "../value/number";

export function metricsOf(tile: Tile): Metric[] {
  return tile.metric ? [tile.metric] : (tile.metrics ?? []);
}

/** What the metrics of a tile mean, as far as the project says it. */
export function descriptionsOf(tile: Tile, reader: Reader): { label: string; text: string }[] {
  return metricsOf(tile).flatMap(({ name, label, description }) =>
    description === null ? [] : [{ label: localized(label, reader.language) || name, text: description }],
  );
}

export function dimensionsOf(tile: Tile): Dimension[] {
  return tile.dimension ? [tile.dimension] : (tile.dimensions ?? []);
}

export function columnIndex(result: TileResult, role: Column["role"]): number {
  return result.columns.findIndex((column) => column.role === role);
}

export function columnValues(result: TileResult, index: number): readonly Value[] {
  return result.data[index] ?? [];
}

export function formatOf(tile: Tile, name: string): Format | null {
  return metricsOf(tile).find((metric) => metric.name === name)?.format ?? null;
}

export function columnLabel(tile: Tile, column: Column, reader: Reader): string {
  if (column.role === "share") return translate(reader.language, "tile.share");
  const named = column.role === "metric" ? metricsOf(tile) : dimensionsOf(tile);
  const label = named.find((one) => one.name === column.name)?.label;
  return localized(label, reader.language) || column.name;
}

export function formatCell(tile: Tile, column: Column, value: Value | undefined, reader: Reader): string {
  if (column.role === "dimension") return formatDimension(value, column.type, tile.grain, reader);
  if (column.role === "share" && isNumeric(value ?? null)) return formatShare(value as string | number, reader.tag);
  return formatMetric(value, formatOf(tile, column.name), reader);
}

export function isTime(column: Column | undefined): boolean {
  return column?.type === "date" || column?.type === "timestamp";
}
