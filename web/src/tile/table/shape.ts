// The rows of a table as text, for table tiles and for the table view of every chart. Pure.

import type { Tile, TileResult, Value } from "../../api/schema.gen";
import type { Reader } from "../../i18n/reader";
import { columnLabel, formatCell, formatOf, isTime, metricsOf } from "../column";
import { parseDate } from "../../value/date";
import { type CoveredDays, partOfStep, partText } from "../../value/step";
import { formatMetric } from "../../value/cell";
import { localized } from "../../i18n/catalogue";

export interface Cell {
  text: string;
  /** The value as delivered. It is shown as a tooltip, because the format may round. */
  exact: Value;
}

export interface TableColumn {
  label: string;
  numeric: boolean;
}

export interface TableData {
  columns: TableColumn[];
  rows: Cell[][];
  /**
   * One cell per column, `null` for columns without a total. These are the server's totals, not sums of the
   * shown rows. The whole row is `null` if no column has a total.
   */
  total: (Cell | null)[] | null;
}

/** The table of a `table` tile, and the table view of every chart. */
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
      // Marks the incomplete steps of a date column. Without a grain `partOfStep` returns `null`, so other
      // dates are not marked.
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

/** A figure without steps is a table of one row, with one column per metric. */
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
