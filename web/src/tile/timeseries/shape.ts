// The data of a chart over time. Pure.

import type { Format, Grain, LogicalType, Tile, TileResult, Value } from "../../api/schema.gen";
import { parseDate } from "../../value/date";
import { position } from "../../value/number";
import { type CoveredDays, type PartOfStep, partOfStep } from "../../value/step";
import { columnIndex, columnValues, formatOf } from "../column";

export interface Point {
  /** The start of the step, as milliseconds in UTC. */
  at: number;
  /** The value as delivered. All texts come from this. */
  value: Value;
  /** The y coordinate as a float; `null` is a gap. */
  y: number | null;
  /**
   * What the step lacks, or may lack, such as the week that has not ended yet; `null` for a complete step.
   */
  part: PartOfStep | null;
}

export interface Series {
  points: Point[];
  grain: Grain | null;
  type: LogicalType;
  format: Format | null;
}

/**
 * The first metric over the first dimension. A row whose date is NULL is left out, because it has no place on
 * the time axis.
 */
export function shapeSeries(tile: Tile, result: TileResult, days: CoveredDays | null = null): Series {
  const time = columnIndex(result, "dimension");
  const metric = columnIndex(result, "metric");
  const values = columnValues(result, metric);
  const points = columnValues(result, time).flatMap((step, index): Point[] => {
    const at = parseDate(step);
    const value = values[index] ?? null;
    return at === null ? [] : [{ at, value, y: position(value), part: partOfStep(at, tile.grain, days) }];
  });
  const column = result.columns[metric];
  return {
    points,
    grain: tile.grain,
    type: column?.type ?? "decimal",
    format: column ? formatOf(tile, column.name) : null,
  };
}

/**
 * Splits a line in two if a step is incomplete: one through the complete steps, and a dashed one that leads
 * to and from each incomplete step. Both have all points, with gaps, so that an index means the same point in
 * both.
 */
export function splitPartial(points: readonly Point[]): { whole: (number | null)[]; dashed: (number | null)[] } {
  const isPartial = (index: number) => (points[index]?.part ?? null) !== null;
  return {
    whole: points.map(({ y }, index) => (isPartial(index) ? null : y)),
    dashed: points.map(({ y }, index) => ([index - 1, index, index + 1].some(isPartial) ? y : null)),
  };
}

export interface Extremes {
  first: Point;
  last: Point;
  max: Point;
  min: Point;
}

/** The first, last, highest and lowest of the points that have a value. Returns `null` if there is none. */
export function extremes(points: readonly Point[]): Extremes | null {
  const drawn = points.filter((point) => point.y !== null);
  const [first] = drawn;
  const last = drawn.at(-1);
  if (!first || !last) return null;
  const pick = (better: (a: number, b: number) => boolean) =>
    drawn.reduce((best, point) => (better(point.y ?? 0, best.y ?? 0) ? point : best), first);
  return { first, last, max: pick((a, b) => a > b), min: pick((a, b) => a < b) };
}
