import { expect, it } from "vitest";
import type { Failures } from "../api/schema.gen";
import { en, fr } from "../tile/tiles.fixture";
import { shapeFailures } from "./failures";

const found: Failures = {
  run: "r",
  test: "not_null(orders.client)",
  model: "orders",
  column: "client",
  total: 1204,
  columns: [
    { name: "id", type: "integer", scale: null },
    { name: "client", type: "integer", scale: null },
    { name: "amount", type: "decimal", scale: 2 },
    { name: "note", type: "text", scale: null },
  ],
  data: [["9007199254740993", 7], [null, null], ["1152.83", null], ["", "<b>"]],
  rows: 2,
};

it("brings the tested column to the front and loses no digit", () => {
  const table = shapeFailures(found, en);
  expect(table.columns).toEqual([
    { name: "client", numeric: true, tested: true },
    { name: "id", numeric: true, tested: false },
    { name: "amount", numeric: true, tested: false },
    { name: "note", numeric: false, tested: false },
  ]);
  expect(table.rows[0]?.map(({ text }) => text)).toEqual(["(none)", "9007199254740993", "1,152.83", "(empty text)"]);
  expect(table.rows[1]?.map(({ missing }) => missing)).toEqual([true, false, true, false]);
  expect(shapeFailures(found, fr).rows[0]?.[0]?.text).toBe("(aucun)");
});

it("keeps the order where the tested column is not among those of the table", () => {
  const table = shapeFailures({ ...found, column: "gone" }, en);
  expect(table.columns.map(({ name }) => name)).toEqual(["id", "client", "amount", "note"]);
  expect(table.columns.some(({ tested }) => tested)).toBe(false);
});
