import type { Format, LogicalType, Value } from "../api/schema";

const formats = new Map<string, Intl.NumberFormat>();

function intl(tag: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = tag + JSON.stringify(options);
  let format = formats.get(key);
  if (!format) formats.set(key, (format = new Intl.NumberFormat(tag, options)));
  return format;
}

/** What Intl formats without loss: digits beyond 2^53 are kept when they come as text. */
function exact(value: string | number): Intl.StringNumericLiteral | number {
  return value as Intl.StringNumericLiteral | number;
}

const NUMERIC = /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/;
const NOT_FINITE = new Set(["NaN", "Infinity", "-Infinity"]);

export function isNumeric(value: Value): value is string | number {
  return typeof value === "number" || (typeof value === "string" && (NUMERIC.test(value) || NOT_FINITE.has(value)));
}

/** Digits after the point, as they stand in the text. */
export function fractionDigits(value: string | number): number {
  return /\.(\d+)$/.exec(String(value))?.[1]?.length ?? 0;
}

function styleOptions(format: Format | null | undefined): Intl.NumberFormatOptions {
  if (format?.style === "currency" && format.currency) {
    // `narrowSymbol`: "$12" rather than "US$12"; the project has chosen one currency and knows which dollar it means.
    return { style: "currency", currency: format.currency, currencyDisplay: "narrowSymbol" };
  }
  return format?.style === "percent" ? { style: "percent" } : {};
}

function digitOptions(value: string | number, format: Format | null | undefined): Intl.NumberFormatOptions {
  if (format?.scale != null && format.scale <= MOST_DIGITS) return { minimumFractionDigits: format.scale, maximumFractionDigits: format.scale };
  if (format?.style === "integer") return { maximumFractionDigits: 0 };
  if (format?.style === "currency" && format.currency) return {};
  if (format?.style === "percent") return { maximumFractionDigits: 1 };
  const digits = fractionDigits(value);
  return { minimumFractionDigits: digits, maximumFractionDigits: typeof value === "number" ? 20 : digits };
}

/** Intl's own bound in older engines; DECIMAL goes to 38 digits. */
const MOST_DIGITS = 20;

function formatLong(value: string, tag: string): string {
  const [whole = "", fraction = ""] = value.split(".");
  const point = intl(tag, {}).formatToParts(0.5).find((part) => part.type === "decimal")?.value ?? ".";
  return intl(tag, {}).format(exact(whole)) + point + fraction;
}

/** In full, every digit that the format asks for. */
export function formatNumber(value: string | number, format: Format | null | undefined, tag: string): string {
  const plain = format == null || format.style === "decimal";
  if (plain && format?.scale == null && typeof value === "string" && fractionDigits(value) > MOST_DIGITS) {
    return formatLong(value, tag);
  }
  return intl(tag, { ...styleOptions(format), ...digitOptions(value, format) }).format(exact(value));
}

/** Three digits that matter, for axes and the ends of bars: "12 k €". */
export function formatCompact(value: string | number, format: Format | null | undefined, tag: string): string {
  return intl(tag, { ...styleOptions(format), notation: "compact", maximumSignificantDigits: 3 }).format(exact(value));
}

/** As `formatCompact`, with the digits of thousands and more filled up, so that "3.00k" stands well beside "3.31k". */
export function formatCompactEven(value: string | number, format: Format | null | undefined, tag: string): string {
  if (Math.abs(Number(value)) < 1000) return formatCompact(value, format, tag);
  const digits = { minimumSignificantDigits: 3, maximumSignificantDigits: 3 };
  return intl(tag, { ...styleOptions(format), notation: "compact", ...digits }).format(exact(value));
}

/** A ratio with its sign: "+17.6%". */
export function formatChange(ratio: string | number, tag: string): string {
  return intl(tag, { style: "percent", signDisplay: "exceptZero", minimumFractionDigits: 1, maximumFractionDigits: 1 }).format(exact(ratio));
}

export function formatShare(ratio: string | number, tag: string): string {
  return intl(tag, { style: "percent", maximumFractionDigits: 1, minimumFractionDigits: 1 }).format(exact(ratio));
}

/** Where a value is drawn; `null` is a gap. Loses digits, so it is for pixels only, never for text. */
export function position(value: Value | undefined): number | null {
  if (value === null || value === undefined || typeof value === "boolean") return null;
  const number = Number(value);
  return Number.isFinite(number) && value !== "" ? number : null;
}

export function isNumberType(type: LogicalType): boolean {
  return type === "integer" || type === "decimal" || type === "float";
}
