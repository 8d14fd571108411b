import { describe, expect, it } from "vitest";
import { formatChange, formatCompact, formatCompactEven, formatNumber, formatShare, isNumeric, position, type NumberFormat } from "./number";

/** `Intl` writes narrow and no-break spaces; the tests compare digits, not typography. */
const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, " ");
const euro: NumberFormat = { style: "currency", currency: "EUR", scale: 2 };

describe("formatNumber keeps every digit", () => {
  it.each<[string | number, NumberFormat | null, string, string]>([
    ["12345678901234567.89", euro, "en", "€12,345,678,901,234,567.89"],
    ["12345678901234567.89", euro, "fr", "12 345 678 901 234 567,89 €"],
    ["-0.10", euro, "fr", "-0,10 €"],
    ["9007199254740993", { style: "integer" }, "en", "9,007,199,254,740,993"],
    ["123456789012345678901234567890", { style: "integer" }, "fr", "123 456 789 012 345 678 901 234 567 890"],
    [9007199254740991, { style: "integer" }, "en", "9,007,199,254,740,991"],
    ["0.12345678901234567890123456", null, "en", "0.12345678901234567890123456"],
    ["-0.12345678901234567890123456", null, "fr", "-0,12345678901234567890123456"],
    ["1152.830", null, "en", "1,152.830"],
    ["1152.83", { style: "decimal", scale: 3 }, "en", "1,152.830"],
    ["12345678901234567.895", { style: "decimal", scale: 2 }, "en", "12,345,678,901,234,567.90"],
    ["0.1764", { style: "percent", scale: 1 }, "fr", "17,6 %"],
    ["1000", { style: "currency", currency: "JPY" }, "en", "¥1,000"],
    [0.1, null, "en", "0.1"],
  ])("%s with %j in %s", (value, format, tag, expected) => {
    expect(plain(formatNumber(value, format, tag))).toBe(expected);
  });
});

describe("compact numbers", () => {
  it.each<[string | number, NumberFormat | null, string, string]>([
    ["12000.00", euro, "fr", "12 k €"],
    ["12345.67", euro, "en", "€12.3k"],
    [1_500_000, null, "en", "1.5M"],
    [0, euro, "en", "€0"],
    ["0.25", { style: "percent" }, "en", "25%"],
  ])("%s with %j in %s", (value, format, tag, expected) => {
    expect(plain(formatCompact(value, format, tag)).replace("K", "k")).toBe(expected);
  });

  it("fills up thousands only", () => {
    expect(plain(formatCompactEven("3000", euro, "fr"))).toBe("3,00 k €");
    expect(plain(formatCompactEven("5", { style: "integer" }, "fr"))).toBe("5");
  });
});

it("writes changes with their sign, and shares without", () => {
  expect(formatChange("0.1764", "en")).toBe("+17.6%");
  expect(plain(formatChange("-0.05", "fr"))).toBe("-5,0 %");
  expect(formatChange("0", "en")).toBe("0.0%");
  expect(formatShare("0.6374", "en")).toBe("63.7%");
});

describe("position", () => {
  it.each([
    ["1152.83", 1152.83],
    [7, 7],
    ["-3", -3],
    [null, null],
    ["NaN", null],
    ["Infinity", null],
    ["", null],
    ["text", null],
    [true, null],
  ])("of %j is %j", (value, expected) => {
    expect(position(value)).toBe(expected);
  });
});

it("tells numbers from text that looks like one to a parser", () => {
  expect(["1", "-1.50", "1e3", "NaN", 3].every(isNumeric)).toBe(true);
  expect(["", " 1", "0x10", "1_000", "abc", null, true].some(isNumeric)).toBe(false);
});
