import type { LogicalType, TileResult, Value } from "../api/schema";
import { isNumberType, isNumeric } from "../value/number";

/** What spreadsheets take for the beginning of a formula (OWASP, "CSV injection"), also as the wide letters that Excel reads as these. */
const FORMULA = /^[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]/;

/**
 * A text that begins like a formula gets an apostrophe in front, so that a spreadsheet shows it and does not run it. Numbers of number columns
 * stay what they are, also with a sign.
 */
function harmless(value: Value | undefined, type: LogicalType | null): Value | undefined {
  if (typeof value !== "string" || !FORMULA.test(value)) return value;
  return (type === null || isNumberType(type)) && isNumeric(value) ? value : `'${value}`;
}

/** NULL is nothing between two commas, the empty text a pair of quotes: both come back as what they were. */
function field(value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The values as they were delivered, all digits, by RFC 4180, but for texts that would run as formulas. A `kpi` without steps gives its total. */
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
