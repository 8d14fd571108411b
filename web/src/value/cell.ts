// Text for single values: metrics and dimension values, as tiles, tables and filters show them.

import type { Grain, LogicalType, Value } from "../api/schema.gen";
import { translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatStep, formatTimestamp, parseDate } from "./date";
import { formatNumber, isNumberType, isNumeric, type NumberFormat } from "./number";

/** Stands for a missing value: there are no rows, or the result is undefined (such as a ratio over zero). */
export const NO_VALUE = "–";

/** A metric as text, with all the digits that its format asks for. Returns `NO_VALUE` for NULL. */
export function formatMetric(value: Value | undefined, format: NumberFormat | null | undefined, reader: Reader): string {
  if (value === null || value === undefined) return NO_VALUE;
  return isNumeric(value) ? formatNumber(value, format, reader.tag) : String(value);
}

/**
 * A value of a dimension as text. NULL and the empty text are different values, and each has its own label.
 */
export function formatDimension(value: Value | undefined, type: LogicalType, grain: Grain | null, reader: Reader): string {
  if (value === null || value === undefined) return translate(reader.language, "filter.none");
  if (value === "") return translate(reader.language, "filter.empty");
  if (type === "boolean") return translate(reader.language, value === true ? "filter.true" : "filter.false");
  if (type === "timestamp" && grain === null) return formatTimestamp(String(value), reader);
  if (type === "date" || type === "timestamp") {
    const ms = parseDate(value);
    return ms === null ? String(value) : formatStep(ms, grain, reader);
  }
  // An integer dimension is most often a year or an identifier; with grouped digits it would read as an
  // amount.
  if (isNumberType(type) && isNumeric(value)) return type === "integer" ? String(value) : formatNumber(value, null, reader.tag);
  return String(value);
}
