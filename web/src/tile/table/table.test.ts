import { describe, expect, it } from "vitest";
import { toCsv } from "../csv";
import { drawingOf } from "../drawing";
import { country, day, en, fr, money, plain, result, share, tile } from "../tiles.fixture";
import { shapeTable } from "./shape";

const dimension = { name: "country", label: { en: "Country", fr: "Pays" }, type: "text" as const };
const pie = tile({ kind: "pie", dimension });
const delivered = result(
  [country, money, share],
  [["France", null, ""], ["12345678901234567.89", "0.10", null], ["0.9000", "0.1000", null]],
  { total: { revenue: "12345678901234567.99" } },
);

describe("shapeTable", () => {
  it("has the chart's values, formatted, with the exact ones beside them", () => {
    const table = shapeTable(pie, delivered, fr);
    expect(table.columns).toEqual([
      { label: "Pays", numeric: false },
      { label: "Chiffre d'affaires", numeric: true },
      { label: "Part", numeric: true },
    ]);
    expect(table.rows.map((row) => row.map((cell) => plain(cell.text)))).toEqual([
      ["France", "12 345 678 901 234 567,89 €", "90,0 %"],
      ["(aucun)", "0,10 €", "10,0 %"],
      ["(texte vide)", "–", "–"],
    ]);
    expect(table.rows[0]?.[1]?.exact).toBe("12345678901234567.89");
  });

  it("has the server's total and adds nothing up", () => {
    expect(shapeTable(pie, delivered, en).total?.map((cell) => cell?.text ?? null)).toEqual([null, "€12,345,678,901,234,567.99", null]);
    expect(shapeTable(pie, { ...delivered, total: {} }, en).total).toBeNull();
  });

  it("makes a row of a number without steps", () => {
    const table = shapeTable(tile({}), result([], [], { total: { revenue: "1.00" } }), en);
    expect(table.rows).toEqual([[{ text: "€1.00", exact: "1.00" }]]);
    expect(table.columns).toEqual([{ label: "Revenue", numeric: true }]);
  });
});

describe("toCsv", () => {
  it("keeps all digits, and NULL apart from the empty text", () => {
    expect(toCsv(delivered)).toBe('country,revenue,share\r\nFrance,12345678901234567.89,0.9000\r\n,0.10,0.1000\r\n"",,\r\n');
  });

  it("quotes what would break a line", () => {
    expect(toCsv(result([country], [['a,"b"', "c\nd", " e"]]))).toBe('country\r\n"a,""b"""\r\n"c\nd"\r\n" e"\r\n');
  });

  it("takes the life out of formulas, and leaves numbers alone", () => {
    const count = { name: "=orders", role: "metric" as const, type: "integer" as const, scale: null };
    const texts = ["=1+2", "+33 1 23", "-5", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", "a=b", "", null];
    const numbers = ["-5.00", "+1.5", "-Infinity", "-1e300", 0, -3, null, "1", "2", "3"];
    const lines = toCsv(result([country, { ...money, type: "float" }, count], [texts, numbers, numbers.map(() => -1)])).split("\r\n");
    expect(lines[0]).toBe("country,revenue,'=orders");
    expect(lines.slice(1, 11)).toEqual([
      "'=1+2,-5.00,-1",
      "'+33 1 23,+1.5,-1",
      "'-5,-Infinity,-1",
      "'@SUM(A1),-1e300,-1",
      "'\t=1,0,-1",
      "\"'\r=1\",-3,-1",
      "'\uff1d1,,-1",
      "a=b,1,-1",
      '"",2,-1',
      ",3,-1",
    ]);
    expect(toCsv(result([], [], { total: { revenue: "-1.00", name: "=1" } }))).toBe("revenue,name\r\n-1.00,'=1\r\n");
  });

  it("gives the total of a number without steps", () => {
    expect(toCsv(result([], [], { total: { revenue: "1.00" } }))).toBe("revenue\r\n1.00\r\n");
  });
});

describe("drawingOf", () => {
  const byDay = result([day, money], [["2026-10-01"], ["1.00"]]);
  const byName = result([country, money], [["France"], ["1.00"]]);

  it.each([
    ["area", byDay, "series"],
    ["line", byDay, "series"],
    ["bar", byDay, "series"],
    ["bar", byName, "bars"],
    ["line", byName, "bars"],
    ["pie", byName, "donut"],
    ["table", byName, "table"],
    ["kpi", byDay, "kpi"],
    ["pie", result([country, money], [["France", "Chine"], ["1.00", "-0.01"]]), "bars"],
  ] as const)("%s", (kind, data, drawing) => {
    expect(drawingOf(tile({ kind }), data)).toBe(drawing);
  });
});
