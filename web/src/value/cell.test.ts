import { expect, it } from "vitest";
import type { Reader } from "../i18n/reader";
import { formatDimension, formatMetric } from "./cell";

const en: Reader = { language: "en", tag: "en" };
const fr: Reader = { language: "fr", tag: "fr" };

it("names NULL and the empty text apart", () => {
  expect(formatDimension(null, "text", null, en)).toBe("(none)");
  expect(formatDimension(null, "text", null, fr)).toBe("(aucun)");
  expect(formatDimension("", "text", null, en)).toBe("(empty text)");
});

it("writes a dimension by its type", () => {
  expect(formatDimension(true, "boolean", null, fr)).toBe("Oui");
  expect(formatDimension(2026, "integer", null, en)).toBe("2026");
  expect(formatDimension("9007199254740993", "integer", null, en)).toBe("9007199254740993");
  expect(formatDimension("2026-10-01", "date", "month", en)).toBe("October 2026");
});

it("writes a metric without a value as a dash, and zero as zero", () => {
  expect(formatMetric(null, null, en)).toBe("–");
  expect(formatMetric(0, { style: "integer" }, en)).toBe("0");
  expect(formatMetric("NaN", null, en)).toBe("NaN");
});
