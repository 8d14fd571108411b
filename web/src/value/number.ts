// Numbers as text without loss. Decimals and large integers arrive as text and go to `Intl` as text, so that
// no digit passes through a float. Only `position` converts to `number`, and only for drawing.

import type { Format, LogicalType, Value } from "../api/schema.gen";

/** How a number is written: its style, and optionally the other properties of a format. */
export type NumberFormat = Pick<Format, "style"> & Partial<Format>;

/** `Intl` objects are expensive to construct, so each is built once per locale and set of options. */
const formats = new Map<string, Intl.NumberFormat>();

function intl(tag: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = tag + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.NumberFormat(tag, options)));
  return format;
}

/** Types a value for `Intl`. Digits beyond 2^53 are kept because `Intl` accepts numbers as text. */
function exact(value: string | number): Intl.StringNumericLiteral | number {
  return value as Intl.StringNumericLiteral | number;
}

const NUMERIC = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const NOT_FINITE = new Set(["NaN", "Infinity", "-Infinity"]);

/**
 * Whether a value is a number or the text of one, as the server writes numbers. `NaN` and the infinities
 * count.
 */
export function isNumeric(value: Value): value is string | number {
  return typeof value === "number" || (typeof value === "string" && (NUMERIC.test(value) || NOT_FINITE.has(value)));
}

/** The number of digits after the decimal point in the text of a value. Zero if there is no point. */
export function fractionDigits(value: string | number): number {
  return /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0;
}

function styleOptions(format: NumberFormat | null | undefined): Intl.NumberFormatOptions {
  if (format?.style === "currency" && format.currency) {
    // `narrowSymbol`: "$12" rather than "US$12". The project has chosen one currency, so it is clear which
    // dollar it means.
    return { style: "currency", currency: format.currency, currencyDisplay: "narrowSymbol" };
  }
  return format?.style === "percent" ? { style: "percent" } : {};
}

/**
 * The digits after the point: the scale of the format first, then the habit of the style, else as many as the
 * value itself has, so that nothing is rounded unasked.
 */
function digitOptions(value: string | number, format: NumberFormat | null | undefined): Intl.NumberFormatOptions {
  if (format?.scale != null && format.scale <= MOST_DIGITS) return { minimumFractionDigits: format.scale, maximumFractionDigits: format.scale };
  if (format?.style === "integer") return { maximumFractionDigits: 0 };
  if (format?.style === "currency" && format.currency) return {};
  if (format?.style === "percent") return { maximumFractionDigits: 1 };
  const digits = fractionDigits(value);
  return { minimumFractionDigits: digits, maximumFractionDigits: typeof value === "number" ? 20 : digits };
}

/**
 * The highest number of fraction digits that `Intl` accepts in older engines. A DECIMAL of the warehouse has
 * up to 38 digits.
 */
const MOST_DIGITS = 20;

/**
 * Formats a decimal text with more fraction digits than `Intl` accepts: the integer part through `Intl`, the
 * fraction as it is.
 */
function formatLong(value: string, tag: string): string {
  const [whole = "", fraction = ""] = value.split(".");
  const point = intl(tag, {}).formatToParts(0.5).find((part) => part.type === "decimal")?.value ?? ".";
  return intl(tag, {}).format(exact(whole)) + point + fraction;
}

/** A number in full, with every digit that the format asks for. */
export function formatNumber(value: string | number, format: NumberFormat | null | undefined, tag: string): string {
  const plain = format == null || format.style === "decimal";
  if (plain && format?.scale == null && typeof value === "string" && fractionDigits(value) > MOST_DIGITS) {
    return formatLong(value, tag);
  }
  return intl(tag, { ...styleOptions(format), ...digitOptions(value, format) }).format(exact(value));
}

/** A number with three significant digits, for axes and the ends of bars: "12 k €". */
export function formatCompact(value: string | number, format: NumberFormat | null | undefined, tag: string): string {
  return intl(tag, { ...styleOptions(format), notation: "compact", maximumSignificantDigits: 3 }).format(exact(value));
}

/**
 * Like `formatCompact`, but from 1,000 on trailing zeros fill the three digits, so that "3.00k" lines up with
 * "3.31k".
 */
export function formatCompactEven(value: string | number, format: NumberFormat | null | undefined, tag: string): string {
  if (Math.abs(Number(value)) < 1000) return formatCompact(value, format, tag);
  const digits = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
  return intl(tag, { ...styleOptions(format), notation: "compact", ...digits }).format(exact(value));
}

/** A relative change with its sign and one fraction digit: "+17.6%". Zero has no sign. */
export function formatChange(ratio: string | number, tag: string): string {
  return intl(tag, { style: "percent", signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(exact(ratio));
}

/** A share of a whole as a percentage with one fraction digit: "63.7%". */
export function formatShare(ratio: string | number, tag: string): string {
  return intl(tag, { style: "percent", maximumFractionDigits: 1, minimumFractionDigits: 1 }).format(exact(ratio));
}

/**
 * The coordinate of a value; `null` is a gap in the drawing. The conversion to a float loses digits, so the
 * result is for pixels only, never for text.
 */
export function position(value: Value | undefined): number | null {
  if (value === null || value === undefined || typeof value === "boolean") return null;
  const number = Number(value);
  return Number.isFinite(number) && value !== "" ? number : null;
}

export function isNumberType(type: LogicalType): boolean {
  return type === "integer" || type === "decimal" || type === "float";
}
