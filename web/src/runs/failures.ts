// The rows that a data test found, as a table of texts. Pure.

import type { Failures } from "../api/schema.gen";
import type { Reader } from "../i18n/reader";
import { formatDimension } from "../value/cell";
import { isNumberType } from "../value/number";

/** `tested` marks the column that the test is about, and `missing` a NULL. */
export interface FailureTable {
  columns: { name: string; numeric: boolean; tested: boolean }[];
  rows: { text: string; missing: boolean }[][];
}

/** Puts the tested column first if it is among the columns. The others follow in the order of the model. */
export function shapeFailures(found: Failures, reader: Reader): FailureTable {
  const order = found.columns.map((_, index) => index);
  const tested = found.columns.findIndex(({ name }) => name === found.column);
  if (tested > 0) order.unshift(...order.splice(tested, 1));
  return {
    columns: order.map((index) => {
      const column = found.columns[index];
      return { name: column?.name ?? "", numeric: column !== undefined && isNumberType(column.type), tested: index === tested };
    }),
    rows: Array.from({ length: found.rows }, (_, row) =>
      order.map((index) => {
        const value = found.data[index]?.[row] ?? null;
        return { text: formatDimension(value, found.columns[index]?.type ?? "text", null, reader), missing: value === null };
      }),
    ),
  };
}
