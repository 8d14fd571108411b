import { describe, expect, it } from "vitest";
import type { Dashboard, DataStart, Tile, TileKind, TileResult } from "../api/schema.gen";
import { beginReload, carryTiles, failAll, finish, isEmpty, receive, type Tiles } from "./tileState";

const context = (data_version: number): DataStart => ({
  data_version,
  published_at: "2026-11-23T14:00:00Z",
  range: { from: "2026-10-01", to: "2026-10-31" },
  compare: null,
  extent: null,
  options: {},
  options_cut: {},
});
const tile = (id: string, kind: TileKind = "kpi"): Tile => ({ id, kind, title: {}, metric: null, dimension: null, grain: null, fill: null });
const number = (revenue: string | null): TileResult => ({ columns: [], data: [], rows: 0, truncated: false, total: { revenue }, previous: null, change: null });
const error = { code: "warehouse-error", message: "m", hint: null };
const loading: Tiles = { a: { state: "loading" }, b: { state: "loading" } };

describe("tiles", () => {
  it("appear one by one", () => {
    const tiles = receive(loading, tile("a"), number("1.00"), context(3));
    expect(tiles["a"]).toMatchObject({ state: "data", context: { data_version: 3 } });
    expect(tiles["b"]).toEqual({ state: "loading" });
  });

  it("keep their numbers, and whose they are, while newer ones are under way", () => {
    const tiles = beginReload(receive(loading, tile("a"), number("1.00"), context(3)));
    expect(tiles["a"]).toMatchObject({ state: "stale", failed: false, context: { data_version: 3 } });
    expect(beginReload(tiles)["a"]).toMatchObject({ state: "stale" });
  });

  it("keep their numbers when the request fails; those without say why", () => {
    const failed = failAll(beginReload(receive(loading, tile("a"), number("1.00"), context(3))), error);
    expect(failed["a"]).toMatchObject({ state: "stale", failed: true });
    expect(failed["b"]).toEqual({ state: "error", error });
    expect(beginReload(failed)["b"]).toEqual({ state: "loading" });
  });

  it("show the error of their own query, not old numbers", () => {
    const stale = beginReload(receive(loading, tile("a"), number("1.00"), context(3)));
    expect(receive(stale, tile("a"), error, context(4))["a"]).toEqual({ state: "error", error });
  });

  it("do not load for ever when the answer left them out", () => {
    const tiles = finish(receive(loading, tile("a"), number("1.00"), context(3)), error);
    expect(tiles["a"]?.state).toBe("data");
    expect(tiles["b"]).toEqual({ state: "error", error });
  });

  it("remember that they were empty", () => {
    const tiles = beginReload(receive(loading, tile("a"), number(null), context(3)));
    expect(tiles["a"]).toMatchObject({ state: "stale", empty: true });
  });
});

describe("isEmpty", () => {
  const series = (values: (string | null)[], total: string | null = "0.00"): TileResult => ({
    columns: [
      { name: "day", role: "dimension", type: "date", scale: null },
      { name: "revenue", role: "metric", type: "decimal", scale: 2 },
    ],
    data: [values.map(() => "2026-10-01"), values],
    rows: values.length,
    truncated: false,
    total: { revenue: total },
    previous: null,
    change: null,
  });

  it("takes zero for a value", () => {
    expect(isEmpty("kpi", number("0.00"))).toBe(false);
    expect(isEmpty("area", series(["0.00", "0.00"]))).toBe(false);
  });

  it("takes no rows, or rows without a value, for none", () => {
    expect(isEmpty("kpi", number(null))).toBe(true);
    expect(isEmpty("bar", series([]))).toBe(true);
    expect(isEmpty("line", series([null, null], null))).toBe(true);
  });

  it("takes a count of nothing for none where the range is beyond the data", () => {
    const beyond = { ...context(1), extent: { from: "2026-11-01", to: "2026-11-30" } };
    expect(receive({}, tile("1-1"), number("0"), beyond)["1-1"]).toMatchObject({ state: "empty" });
    const within = { ...beyond, extent: { from: "2026-10-31", to: "2026-11-30" } };
    expect(receive({}, tile("1-1"), number("0"), within)["1-1"]).toMatchObject({ state: "data" });
  });

  it("takes zeros that only fill the steps of a line for none", () => {
    expect(isEmpty("area", series(["0.00", "0.00"], null))).toBe(true);
    expect(isEmpty("area", series(["0.00", "1.00"], null))).toBe(false);
  });
});

describe("a changed definition", () => {
  const dashboard = (...rows: Tile[][]): Dashboard => ({ name: "d", title: {}, semantic_view: "v", about: null, time: null, filters: [], streams: [], deletes_unseen: [], rows });

  it("leaves a tile its numbers, wherever it stands now and whatever it is called", () => {
    const before = dashboard([tile("1-1"), tile("1-2", "bar")]);
    const tiles = receive({ "1-1": { state: "loading" }, "1-2": { state: "loading" } }, tile("1-1"), number("1.00"), context(3));
    const moved = { ...tile("2-1"), title: { en: "New name" } };
    const carried = carryTiles(tiles, before, dashboard([tile("1-1", "table")], [moved]));
    expect(carried["2-1"]).toBe(tiles["1-1"]);
    expect(carried["1-1"]).toEqual({ state: "loading" });
    expect(Object.keys(carried)).toEqual(["1-1", "2-1"]);
  });
});
