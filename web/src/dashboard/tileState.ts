// The states of the tiles of a dashboard and their transitions. Pure.
// A tile begins as loading. Its answer makes it data, empty or error. A reload turns data and empty into
// stale, which keeps the numbers on the page, and error into loading.

import type { ApiError, Dashboard, DataStart, Tile, TileKind, TileResult, Value } from "../api/schema.gen";

/**
 * The head of the answer that a result belongs to. A tile keeps it together with the numbers, so that old
 * numbers are never labelled with the version or range of a later answer.
 */
export type DataContext = DataStart;

export type TileState =
  | { state: "loading" }
  | { state: "data" | "empty"; result: TileResult; context: DataContext }
  /** The previous numbers, while later ones are under way; `failed` if these could not be loaded. */
  | { state: "stale"; result: TileResult; context: DataContext; empty: boolean; failed: boolean }
  | { state: "error"; error: ApiError };

/** The state of each tile by its id. */
export type Tiles = Readonly<Record<string, TileState>>;

export function initialTiles(dashboard: Dashboard): Tiles {
  return Object.fromEntries(dashboard.rows.flat().map((tile) => [tile.id, { state: "loading" }]));
}

/**
 * The tiles of a changed definition. A tile that asks the same question keeps its numbers, even if its
 * position (and with it its id) or its title has changed.
 */
export function carryTiles(tiles: Tiles, before: Dashboard, after: Dashboard): Tiles {
  const question = ({ id: _id, title: _title, ...rest }: Tile) => JSON.stringify(rest);
  const known = new Map(before.rows.flat().map((tile) => [question(tile), tiles[tile.id]]));
  return Object.fromEntries(after.rows.flat().map((tile) => [tile.id, known.get(question(tile)) ?? { state: "loading" }]));
}

function mapTiles(tiles: Tiles, change: (tile: TileState) => TileState): Tiles {
  return Object.fromEntries(Object.entries(tiles).map(([id, tile]) => [id, change(tile)]));
}

/** Called when a request is sent: the shown numbers stay and are marked as stale. */
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
 * Whether a result has nothing to show. A figure is empty if it has no value; a chart or table is empty if no
 * row has a value.
 *
 * Zeros are values, except those that only fill the steps of a chart over time: if the total has no value
 * either, no row is behind them.
 */
export function isEmpty(kind: TileKind, result: TileResult): boolean {
  const totals = Object.values(result.total ?? {});
  const nothing = totals.every((value) => value === null);
  if (kind === "kpi") return nothing;
  const metrics = result.data.filter((_, index) => result.columns[index]?.role === "metric");
  const fills = (value: Value) => totals.length > 0 && nothing && Number(value) === 0;
  return result.rows === 0 || metrics.every((values) => values.every((value) => value === null || fills(value)));
}

/** Whether the range has no day in common with the data. A count of zero then means "no data", not zero. */
function isOutside({ range, extent }: DataContext): boolean {
  return range !== null && extent !== null && (range.to < extent.from || extent.to < range.from);
}

/** Called for each tile of an answer. */
export function receive(tiles: Tiles, tile: Tile, answer: TileResult | ApiError, context: DataContext): Tiles {
  if ("code" in answer) return { ...tiles, [tile.id]: { state: "error", error: answer } };
  return { ...tiles, [tile.id]: { state: isOutside(context) || isEmpty(tile.kind, answer) ? "empty" : "data", result: answer, context } };
}

/** Called when an answer has ended. A tile that got no result shows an error instead of loading forever. */
export function finish(tiles: Tiles, missing: ApiError): Tiles {
  return mapTiles(tiles, (tile) =>
    tile.state === "loading" || tile.state === "stale" ? { state: "error", error: missing } : tile,
  );
}

/** Called when a request failed as a whole: tiles that have numbers keep them, the others show the error. */
export function failAll(tiles: Tiles, error: ApiError): Tiles {
  return mapTiles(tiles, (tile) => {
    if (tile.state === "loading") return { state: "error", error };
    return tile.state === "stale" ? { ...tile, failed: true } : tile;
  });
}
