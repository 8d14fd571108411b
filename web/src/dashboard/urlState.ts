import type { DataRequest, DateRange, Dimension, Filters, LogicalType, Value } from "../api/schema";
import { isNumeric } from "../value/number";

/**
 * What the reader has chosen, as the query string of the page; the dashboard's own defaults are not in it.
 *
 *   range=last+30+days            a range in words
 *   range=2026-10-01..2026-10-31  both ends belong to it
 *   country=France&country=Chine  one parameter a value
 *   country=~null                 SQL NULL; a text that begins with `~` is written with one more, so the text "~null"
 *                                 is `country=~~null`, and the empty text is `country=`
 *   ~range=x                      a dimension whose name is `range` or begins with `~` is escaped in the same way
 */
export interface UrlState {
  /** `null`: the range of the dashboard. */
  range: DateRange | string | null;
  filters: Filters;
}

const RANGE = "range";
const NULL = "~null";
const SPAN = /^(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})$/;
const WORDS = /^(all|last [1-9]\d{0,4} (day|week|month|year)s?)$/;

function parseRange(text: string | null): DateRange | string | null {
  if (text === null) return null;
  const [, from, to] = SPAN.exec(text) ?? [];
  if (from !== undefined && to !== undefined) return from <= to ? { from, to } : null;
  return WORDS.test(text) ? text : null;
}

const escapeText = (text: string) => (text.startsWith("~") ? `~${text}` : text);
const parameterOf = (name: string) => (name === RANGE ? `~${name}` : escapeText(name));

function writeValue(value: Value): string {
  return value === null ? NULL : escapeText(String(value));
}

/** `undefined` for what no value of this type is written as: someone has edited the address. */
function readValue(text: string, type: LogicalType): Value | undefined {
  if (text === NULL) return null;
  const plain = text.startsWith("~~") ? text.slice(1) : text;
  switch (type) {
    case "integer":
    case "float": {
      if (!isNumeric(plain)) return undefined;
      const number = Number(plain);
      // Back to text where a number would lose digits, as the server sends it.
      return Number.isFinite(number) && String(number) === plain ? number : plain;
    }
    case "decimal":
      return isNumeric(plain) ? plain : undefined;
    case "boolean":
      return plain === "true" ? true : plain === "false" ? false : undefined;
    default:
      return plain;
  }
}

export function readUrl(search: string, dimensions: readonly Dimension[]): UrlState {
  const query = new URLSearchParams(search);
  const filters: Filters = {};
  for (const { name, type } of dimensions) {
    const values = query
      .getAll(parameterOf(name))
      .map((text) => readValue(text, type))
      .filter((value) => value !== undefined);
    if (values.length > 0) filters[name] = [...new Set(values)];
  }
  return { range: parseRange(query.get(RANGE)), filters };
}

/** What the server is asked for; where the address names no range, the server knows the dashboard's. */
export function dataRequest(state: UrlState): DataRequest {
  return { filters: state.filters, ...(state.range !== null && { range: state.range }) };
}

export function sameRange(a: UrlState, b: UrlState): boolean {
  return JSON.stringify(a.range) === JSON.stringify(b.range);
}

export function writeUrl(state: UrlState): string {
  const query = new URLSearchParams();
  if (state.range !== null) {
    query.set(RANGE, typeof state.range === "string" ? state.range : `${state.range.from}..${state.range.to}`);
  }
  for (const [name, values] of Object.entries(state.filters)) {
    for (const value of values) query.append(parameterOf(name), writeValue(value));
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}
