import type { TileResult, Value } from "../api/schema";

/** NULL is nothing between two commas, the empty text a pair of quotes: both come back as what they were. */
function field(value: Value | undefined): string {
  if (value === null || value === undefined) return "";
  const text = String(value);
  return text === "" || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The values as they were delivered, all digits, by RFC 4180. A `kpi` without steps gives its total. */
export function toCsv(result: TileResult): string {
  const lines: string[] = [];
  if (result.columns.length === 0) {
    const total = Object.entries(result.total ?? {});
    lines.push(total.map(([name]) => field(name)).join(","), total.map(([, value]) => field(value)).join(","));
  } else {
    lines.push(result.columns.map((column) => field(column.name)).join(","));
    for (let row = 0; row < result.rows; row++) {
      lines.push(result.data.map((values) => field(values[row])).join(","));
    }
  }
  return lines.join("\r\n") + "\r\n";
}
