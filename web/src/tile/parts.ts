// The data of bars and rings: one part per category. Pure.

import type { Format, LogicalType, Tile, TileResult, Value } from "../api/schema.gen";
import { plural, translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatDimension, formatMetric } from "../value/cell";
import { formatShare, isNumeric, position } from "../value/number";
import { columnIndex, columnValues, formatOf } from "./column";

/** One bar or one slice. */
export interface Part {
  /** The value of the dimension as delivered. NULL is a category too. */
  category: Value;
  value: Value;
  /** The share of the whole, as delivered; `null` if the answer has no shares. */
  share: Value;
  /** The value as a float, for the length of a bar or the angle of a slice; `null` if it cannot be drawn. */
  size: number | null;
}

export interface Parts {
  parts: Part[];
  categoryType: LogicalType;
  format: Format | null;
}

/** The parts of an answer, in the order of the server. */
export function shapeParts(tile: Tile, result: TileResult): Parts {
  const dimension = columnIndex(result, "dimension");
  const metric = columnIndex(result, "metric");
  const values = columnValues(result, metric);
  const shares = columnValues(result, columnIndex(result, "share"));
  const parts = columnValues(result, dimension).map((category, index) => {
    const value = values[index] ?? null;
    return { category, value, share: shares[index] ?? null, size: position(value) };
  });
  const column = result.columns[metric];
  return {
    parts,
    categoryType: result.columns[dimension]?.type ?? "text",
    format: column ? formatOf(tile, column.name) : null,
  };
}

export function partName(shaped: Parts, part: Part, tile: Tile, reader: Reader): string {
  return formatDimension(part.category, shaped.categoryType, tile.grain, reader);
}

/** The share as text; empty if there is none. */
export function partShare(part: Part, reader: Reader): string {
  return isNumeric(part.share) ? formatShare(part.share, reader.tag) : "";
}

/** The number of parts that the summary names. */
const SPOKEN = 5;

/** The chart as a sentence for screen readers, with its first parts by name. */
export function partsSummary(shaped: Parts, tile: Tile, title: string, reader: Reader): string {
  const { language } = reader;
  const spoken = shaped.parts.slice(0, SPOKEN).map((part) => {
    const name = partName(shaped, part, tile, reader);
    const value = formatMetric(part.value, shaped.format, reader);
    const share = partShare(part, reader);
    return share === ""
      ? translate(language, "summary.part", { name, value })
      : translate(language, "summary.partShare", { name, value, share });
  });
  const listed = spoken.join(", ");
  const rest = shaped.parts.length - spoken.length;
  const parts = rest > 0 ? translate(language, "summary.more", { parts: listed, count: rest }) : listed;
  const count = shaped.parts.length;
  return plural(language, "summary.parts", count, { title, count, parts });
}
