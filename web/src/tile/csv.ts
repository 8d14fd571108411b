// The values of a tile as CSV text, with protection against CSV injection.

import type { LogicalType, TileResult, Value } from "../api/schema.gen";
import { isNumberType, isNumeric } from "../value/number";

/**
 * The characters that spreadsheets take for the beginning of a formula (OWASP, "CSV injection"), including
 * the full-width forms that Excel treats in the same way.
 */
const FORMULA = /^[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]/;

/**
 * Puts an apostrophe in front of a text that begins like a formula, so that a spreadsheet shows it and does
 * not run it. Numbers of number columns stay unchanged, even with a sign. `type` is `null` for a total, whose
 * type is not in the answer.
 */
function harmless(value: Value | undefined, type: LogicalType | null): Value | undefined {
  if (typeof value !== "string" || !FORMULA.test(value)) return value;
  return (type === null || isNumberType(type)) && isNumeric(value) ? value : `'${value}`;
}

/**
 * One CSV field. NULL is an empty field, and the empty text is a pair of quotes, so that a reader can tell
 * them apart. A text with leading or trailing white space is quoted too.
 */
function field(value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * CSV by RFC 4180 with a header row. The values are as the server delivered them, with all digits, except for
 * texts that a spreadsheet would run as formulas. A `kpi` without steps gives its total.
 */
export function toCsv(result: TileResult): string {
  const lines: string[] = [];
  if (result.columns.length === 0) {
    const total = Object.entries(result.total ?? {});
    lines.push(total.map(([name]) => field(harmless(name, "text"))).join(","));
    lines.push(total.map(([, value]) => field(harmless(value, null))).join(","));
  } else {
    lines.push(result.columns.map(({ name }) => field(harmless(name, "text"))).join(","));
    for (let row = 0; row < result.rows; row++) {
      lines.push(result.data.map((values, at) => field(harmless(values[row], result.columns[at]?.type ?? "text"))).join(","));
    }
  }
  return lines.join("\r\n") + "\r\n";
}
