// Reads the filters of a dashboard from the address and writes them to it. Pure.

import type { DataRequest, DateRange, Dimension, LogicalType, Value } from "../api/schema.gen";

/**
 * The chosen values of each filter, by the name of its dimension. A dimension without a choice is not in it.
 */
export type Filters = Record<string, Value[]>;
import { isNumeric } from "../value/number";

/**
 * The reader's choice, as the query string of the page. The dashboard's own defaults are not in it.
 *
 *   range=last+30+days            a range in words
 *   range=2026-10-01..2026-10-31  both ends are included
 *   country=France&country=Chine  one parameter per value
 *   country=~null                 SQL NULL. A text that begins with `~` gets one more, so the text "~null" is
 *                                 `country=~~null`. The empty text is `country=`.
 *   ~range=x                      a dimension named `range`, or whose name begins with `~`, is escaped too
 */
export interface UrlState {
  /** The range to show; `null` stands for the range of the dashboard. */
  range: DateRange | string | null;
  filters: Filters;
}

const RANGE = "range";
const NULL = "~null";
/** A range of two dates. */
const SPAN = /^(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})$/;
/** The ranges in words that the server accepts, so that an edited address does not lead to an error. */
const WORDS = /^(all|last [1-9]\d{0,4} (day|week|month|year)s?)$/;

/** Returns `null` for a text that is no valid range, so that the dashboard's own range applies. */
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

/**
 * The value of a parameter. Returns `undefined` if no value of this type is written that way, because someone
 * has edited the address; the parameter is then ignored.
 */
function readValue(text: string, type: LogicalType): Value | undefined {
  if (text === NULL) return null;
  const plain = text.startsWith("~~") ? text.slice(1) : text;
  switch (type) {
    case "integer":
    case "float": {
      if (!isNumeric(plain)) return undefined;
      const number = Number(plain);
      // Stays text if a number would lose digits, as the server sends it.
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

/**
 * The choice in a query string. `dimensions` are the filters of the dashboard; other parameters are ignored.
 */
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

/** The request for the server. If the address names no range, the server uses the dashboard's. */
export function dataRequest(state: UrlState): DataRequest {
  return { filters: state.filters, ...(state.range !== null && { range: state.range }) };
}

export function sameRange(a: UrlState, b: UrlState): boolean {
  return JSON.stringify(a.range) === JSON.stringify(b.range);
}

/** The query string of a choice, with its `?`; empty if nothing is chosen. */
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
