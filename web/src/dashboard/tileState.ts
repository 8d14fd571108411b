import type { ApiError, Dashboard, DataStart, Tile, TileKind, TileResult, Value } from "../api/schema";

/** What a result belongs to; a tile keeps it with the numbers, so that old numbers are never labelled as new ones. */
export type DataContext = DataStart;

export type TileState =
  | { state: "loading" }
  | { state: "data" | "empty"; result: TileResult; context: DataContext }
  /** The numbers before; `failed` when newer ones could not be had. */
  | { state: "stale"; result: TileResult; context: DataContext; empty: boolean; failed: boolean }
  | { state: "error"; error: ApiError };

export type Tiles = Readonly<Record<string, TileState>>;

export function initialTiles(dashboard: Dashboard): Tiles {
  return Object.fromEntries(dashboard.rows.flat().map((tile) => [tile.id, { state: "loading" }]));
}

/** The tiles of a changed definition. One that asks for the same keeps its numbers, wherever it stands now and whatever it is called. */
export function carryTiles(tiles: Tiles, before: Dashboard, after: Dashboard): Tiles {
  const question = ({ id: _id, title: _title, ...rest }: Tile) => JSON.stringify(rest);
  const known = new Map(before.rows.flat().map((tile) => [question(tile), tiles[tile.id]]));
  return Object.fromEntries(after.rows.flat().map((tile) => [tile.id, known.get(question(tile)) ?? { state: "loading" }]));
}

function mapTiles(tiles: Tiles, change: (tile: TileState) => TileState): Tiles {
  return Object.fromEntries(Object.entries(tiles).map(([id, tile]) => [id, change(tile)]));
}

/** A request has been sent: what is shown stays, marked as old. */
export function beginReload(tiles: Tiles): Tiles {
  return mapTiles(tiles, (tile) => {
    if (tile.state === "error") return { state: "loading" };
    if (tile.state === "stale") return { ...tile, failed: false };
    if (tile.state === "loading") return tile;
    const { result, context } = tile;
    return { state: "stale", result, context, empty: tile.state === "empty", failed: false };
  });
}

/**
 * A number is empty without a value, a chart or a table without rows that have one. Zeros are values, but for those that only fill the steps of
 * a time line: where even the total has no value, no row is behind them.
 */
export function isEmpty(kind: TileKind, result: TileResult): boolean {
  const totals = Object.values(result.total ?? {});
  const nothing = totals.every((value) => value === null);
  if (kind === "kpi") return nothing;
  const metrics = result.data.filter((_, index) => result.columns[index]?.role === "metric");
  const fills = (value: Value) => totals.length > 0 && nothing && Number(value) === 0;
  return result.rows === 0 || metrics.every((values) => values.every((value) => value === null || fills(value)));
}

/** Whether the range has no day of those that have data: then a count of nothing is no zero either. */
function isOutside({ range, extent }: DataContext): boolean {
  return range !== null && extent !== null && (range.to < extent.from || extent.to < range.from);
}

export function receive(tiles: Tiles, tile: Tile, answer: TileResult | ApiError, context: DataContext): Tiles {
  if ("code" in answer) return { ...tiles, [tile.id]: { state: "error", error: answer } };
  return { ...tiles, [tile.id]: { state: isOutside(context) || isEmpty(tile.kind, answer) ? "empty" : "data", result: answer, context } };
}

/** The answer has ended: a tile that got none says so instead of loading for ever. */
export function finish(tiles: Tiles, missing: ApiError): Tiles {
  return mapTiles(tiles, (tile) =>
    tile.state === "loading" || tile.state === "stale" ? { state: "error", error: missing } : tile,
  );
}

/** The request failed as a whole: tiles that have numbers keep them, the others carry the reason. */
export function failAll(tiles: Tiles, error: ApiError): Tiles {
  return mapTiles(tiles, (tile) => {
    if (tile.state === "loading") return { state: "error", error };
    return tile.state === "stale" ? { ...tile, failed: true } : tile;
  });
}
