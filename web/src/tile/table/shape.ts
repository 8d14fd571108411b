import type { Tile, TileResult, Value } from "../../api/schema";
import type { Reader } from "../../i18n/reader";
import { columnLabel, formatCell, formatOf, isTime, metricsOf } from "../column";
import { parseDate } from "../../value/date";
import { type CoveredDays, partOfStep, partText } from "../../value/step";
import { formatMetric } from "../../value/cell";
import { localized } from "../../i18n/catalogue";

export interface Cell {
  text: string;
  /** As delivered; shown on demand where the format rounds. */
  exact: Value;
}

export interface TableColumn {
  label: string;
  numeric: boolean;
}

export interface TableData {
  columns: TableColumn[];
  rows: Cell[][];
  /** One cell a column, `null` where there is none; the server's totals, not sums of what is shown. */
  total: (Cell | null)[] | null;
}

/** The table of a `table` tile, and the twin of every chart. */
export function shapeTable(tile: Tile, result: TileResult, reader: Reader, days: CoveredDays | null = null): TableData {
  if (result.columns.length === 0) return totalsOnly(tile, result, reader);
  const columns = result.columns.map((column) => ({
    label: columnLabel(tile, column, reader),
    numeric: column.role !== "dimension",
  }));
  const rows = Array.from({ length: result.rows }, (_, row) =>
    result.columns.map((column, index): Cell => {
      const value = result.data[index]?.[row] ?? null;
      const text = formatCell(tile, column, value, reader);
      // Only a time line says of each step whether it is whole; a table of several dimensions has the steps of what is in it.
      const at = column.role === "dimension" && isTime(column) ? parseDate(value) : null;
      const part = at === null ? null : partOfStep(at, tile.grain, days);
      return { text: part ? `${text} (${partText(part, reader)})` : text, exact: value };
    }),
  );
  const total = result.columns.map((column): Cell | null => {
    const value = column.role === "metric" ? result.total?.[column.name] : undefined;
    return value === undefined ? null : { text: formatCell(tile, column, value, reader), exact: value };
  });
  return { columns, rows, total: total.some((cell) => cell !== null) ? total : null };
}

/** A number without steps is a table of one row. */
function totalsOnly(tile: Tile, result: TileResult, reader: Reader): TableData {
  const metrics = metricsOf(tile);
  return {
    columns: metrics.map((metric) => ({ label: localized(metric.label, reader.language) || metric.name, numeric: true })),
    rows: [
      metrics.map((metric): Cell => {
        const value = result.total?.[metric.name] ?? null;
        return { text: formatMetric(value, formatOf(tile, metric.name), reader), exact: value };
      }),
    ],
    total: null,
  };
}
