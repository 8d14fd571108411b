// Answers the questions of tiles over the orders in memory, as the real server does with the warehouse. All
// arithmetic is exact: BigInt of whole cents.
import { DAY_MS, LAST_DAY } from "./orders.mjs";

const iso = (ms) => new Date(ms).toISOString().slice(0, 10);
const ms = (day) => Date.parse(`${day}T00:00:00Z`);

/**
 * A fraction as decimal text, rounded half up (away from zero) at `scale`. Returns `null` if the denominator
 * is 0.
 */
function ratio(numerator, denominator, scale) {
  if (denominator === 0n) return null;
  const sign = numerator < 0n !== denominator < 0n ? "-" : "";
  const [n, d] = [numerator, denominator].map((value) => (value < 0n ? -value : value));
  const digits = ((n * 10n ** BigInt(scale) * 2n + d) / (d * 2n)).toString().padStart(scale + 1, "0");
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const paid = (orders) => orders.filter((order) => order.status !== "Annulee");
const sum = (orders) => orders.reduce((total, order) => total + order.amount, 0n);

/**
 * The metrics: type, scale, the value over some orders (`of`), and the value of a step without orders
 * (`zero`).
 */
const METRICS = {
  revenue: { type: "decimal", scale: 2, of: (rows) => (rows.length ? ratio(sum(paid(rows)), 100n, 2) : null), zero: "0.00" },
  orders: { type: "integer", scale: null, of: (rows) => rows.length, zero: 0 },
  average_order: {
    type: "decimal",
    scale: 8,
    of: (rows) => ratio(sum(paid(rows)), BigInt(paid(rows).length) * 100n, 8),
    zero: null,
  },
  cancelled_share: {
    type: "decimal",
    scale: 6,
    of: (rows) => ratio(BigInt(rows.length - paid(rows).length), BigInt(rows.length), 6),
    zero: null,
  },
};

/**
 * The first day of the step that a day is in. Weeks begin on Monday. Only the grains of the mock dashboard
 * are known.
 */
function floor(day, grain) {
  const at = new Date(ms(day));
  if (grain === "week") return iso(at.getTime() - ((at.getUTCDay() + 6) % 7) * DAY_MS);
  if (grain === "month") return iso(Date.UTC(at.getUTCFullYear(), at.getUTCMonth()));
  return day;
}

/** The steps of a range, also those without orders. */
function steps({ from, to }, grain) {
  const days = [];
  for (let at = ms(from); at <= ms(to); at += DAY_MS) days.push(floor(iso(at), grain));
  return [...new Set(days)];
}

/** The first day of the `count` months that end with `day`. */
function months(day, count) {
  const at = new Date(ms(day));
  return iso(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() - count, at.getUTCDate()) + DAY_MS);
}

/**
 * The first and the last day of a range: in words, or already as dates. Ranges in words end with `LAST_DAY`.
 */
export function resolveRange(range, orders) {
  if (typeof range === "object") return range;
  const to = iso(LAST_DAY);
  if (range === "all") return { from: orders[0].order_date, to };
  const [, count, unit] = /^last (\d+) (day|week|month|year)s?$/.exec(range);
  if (unit === "month" || unit === "year") return { from: months(to, Number(count) * (unit === "year" ? 12 : 1)), to };
  return { from: iso(LAST_DAY - (Number(count) * (unit === "week" ? 7 : 1) - 1) * DAY_MS), to };
}

/** The range of the same length just before. */
export function before({ from, to }) {
  const length = ms(to) - ms(from) + DAY_MS;
  return { from: iso(ms(from) - length), to: iso(ms(from) - DAY_MS) };
}

/** The orders of a range that pass the filters. */
export function select(orders, range, filters) {
  return orders.filter(
    (order) =>
      order.order_date >= range.from &&
      order.order_date <= range.to &&
      Object.entries(filters).every(([name, values]) => values.includes(order[name])),
  );
}

/** Groups orders by the values of some properties. Keys are JSON, so that NULL and texts stay apart. */
function groups(orders, keys) {
  const found = new Map();
  for (const order of orders) {
    const key = JSON.stringify(keys.map((name) => order[name]));
    found.set(key, [...(found.get(key) ?? []), order]);
  }
  return [...found].map(([key, rows]) => ({ key: JSON.parse(key), rows }));
}

const metricColumn = (name) => ({ name, role: "metric", type: METRICS[name].type, scale: METRICS[name].scale });
const dimensionColumn = (name, type) => ({ name, role: "dimension", type, scale: null });

/** The answer of a chart over time, with one row per step of the range. */
function byTime(tile, rows, range, extent) {
  const metric = METRICS[tile.metric.name];
  const grouped = Map.groupBy
    ? Map.groupBy(rows, (order) => floor(order.order_date, tile.grain))
    : rows.reduce((map, order) => {
        const step = floor(order.order_date, tile.grain);
        return map.set(step, [...(map.get(step) ?? []), order]);
      }, new Map());
  const days = steps(range, tile.grain);
  // Before the first day with data and after the last, a step has no value rather than zero.
  const known = (step) => extent !== null && step >= floor(extent.from, tile.grain) && step <= extent.to;
  const empty = tile.fill === "zero" || tile.kind === "kpi" ? metric.zero : null;
  return {
    columns: [dimensionColumn("order_date", "date"), metricColumn(tile.metric.name)],
    data: [days, days.map((day) => (grouped.has(day) ? metric.of(grouped.get(day)) : known(day) ? empty : null))],
  };
}

/** The answer of bars or of a ring, by value, greatest first. A ring has shares. */
function byName(tile, rows) {
  const metric = METRICS[tile.metric.name];
  const parts = groups(rows, [tile.dimension.name])
    .map(({ key, rows: own }) => ({ key: key[0], value: metric.of(own) }))
    .sort((a, b) => Number(b.value) - Number(a.value));
  const columns = [dimensionColumn(tile.dimension.name, "text"), metricColumn(tile.metric.name)];
  const data = [parts.map((part) => part.key), parts.map((part) => part.value)];
  if (tile.kind === "pie") {
    columns.push({ name: "share", role: "share", type: "decimal", scale: 4 });
    data.push(parts.map((part) => ratio(BigInt(part.value), BigInt(rows.length), 4)));
  }
  return { columns, data };
}

/** The answer of a table, by revenue, greatest first. */
function asTable(tile, rows) {
  const names = tile.dimensions.map((dimension) => dimension.name);
  const found = groups(rows, names).sort((a, b) => (sum(paid(b.rows)) > sum(paid(a.rows)) ? 1 : -1));
  return {
    columns: [...names.map((name) => dimensionColumn(name, "text")), ...tile.metrics.map(({ name }) => metricColumn(name))],
    data: [
      ...names.map((_, index) => found.map((group) => group.key[index])),
      ...tile.metrics.map(({ name }) => found.map((group) => METRICS[name].of(group.rows))),
    ],
  };
}

/** (now − then) / |then| with four digits. Returns `null` if it is undefined. */
function change(now, then) {
  if (now === null || then === null || Number(then) === 0) return null;
  const [a, b] = [now, then].map((value) => BigInt(String(value).replace(".", "")));
  return ratio(a - b, b < 0n ? -b : b, 4);
}

/**
 * The answer of one tile. `previousRows` are the orders of the range to compare with; empty if there is none.
 */
export function tileResult(tile, rows, previousRows, range, extent) {
  const names = (tile.metrics ?? [tile.metric]).map((metric) => metric.name);
  let cut = { columns: [], data: [] };
  if (tile.kind === "table") cut = asTable(tile, rows);
  else if (tile.grain !== null) cut = byTime(tile, rows, range, extent);
  else if (tile.dimension !== null) cut = byName(tile, rows);
  const each = (value) => Object.fromEntries(names.map((name) => [name, value(name)]));
  const total = each((name) => METRICS[name].of(rows));
  const previous = each((name) => (previousRows.length ? METRICS[name].of(previousRows) : null));
  return {
    ...cut,
    rows: cut.data[0]?.length ?? 0,
    truncated: false,
    total,
    previous,
    change: each((name) => change(total[name], previous[name])),
  };
}
