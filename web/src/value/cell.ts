import type { Format, Grain, LogicalType, Value } from "../api/schema";
import { translate } from "../i18n/catalogue";
import type { Reader } from "../i18n/reader";
import { formatStep, formatTimestamp, parseDate } from "./date";
import { formatNumber, isNumberType, isNumeric } from "./number";

/** What a metric has no value for: there are no rows, or the result has no meaning. */
export const NO_VALUE = "–";

export function formatMetric(value: Value | undefined, format: Format | null | undefined, reader: Reader): string {
  if (value === null || value === undefined) return NO_VALUE;
  return isNumeric(value) ? formatNumber(value, format, reader.tag) : String(value);
}

/** A value that something is cut by. NULL and the empty text are two values, and both are named. */
export function formatDimension(value: Value | undefined, type: LogicalType, grain: Grain | null, reader: Reader): string {
  if (value === null || value === undefined) return translate(reader.language, "filter.none");
  if (value === "") return translate(reader.language, "filter.empty");
  if (type === "boolean") return translate(reader.language, value === true ? "filter.true" : "filter.false");
  if (type === "timestamp" && grain === null) return formatTimestamp(String(value), reader);
  if (type === "date" || type === "timestamp") {
    const ms = parseDate(value);
    return ms === null ? String(value) : formatStep(ms, grain, reader);
  }
  // An integer that cuts is most often a year or a number of something: grouped digits would read as an amount.
  if (isNumberType(type) && isNumeric(value)) return type === "integer" ? String(value) : formatNumber(value, null, reader.tag);
  return String(value);
}
