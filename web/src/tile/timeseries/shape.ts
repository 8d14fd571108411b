import type { Format, Grain, LogicalType, Tile, TileResult, Value } from "../../api/schema";
import { parseDate } from "../../value/date";
import { position } from "../../value/number";
import { type CoveredDays, type PartOfStep, partOfStep } from "../../value/step";
import { columnIndex, columnValues, formatOf } from "../column";

export interface Point {
  /** Milliseconds in UTC. */
  at: number;
  /** As delivered: what is written. */
  value: Value;
  /** Where it is drawn; `null` is a gap. */
  y: number | null;
  /** Of a step that lacks days, or may, as the week that is not over; `null` for a whole one. */
  part: PartOfStep | null;
}

export interface Series {
  points: Point[];
  grain: Grain | null;
  type: LogicalType;
  format: Format | null;
}

/** The first dimension against the first metric. A step without a date (rows whose date is NULL) has no place in time. */
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
 * A line is drawn as two where a step is not whole: one through the whole steps, and a dashed one to and from each that is not. Both have all
 * points, with gaps, so that the one under the pointer has one index.
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

/** Of the points that have a value. */
export function extremes(points: readonly Point[]): Extremes | null {
  const drawn = points.filter((point) => point.y !== null);
  const [first] = drawn;
  const last = drawn.at(-1);
  if (!first || !last) return null;
  const pick = (better: (a: number, b: number) => boolean) =>
    drawn.reduce((best, point) => (better(point.y ?? 0, best.y ?? 0) ? point : best), first);
  return { first, last, max: pick((a, b) => a > b), min: pick((a, b) => a < b) };
}
